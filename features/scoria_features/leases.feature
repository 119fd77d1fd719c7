@store
Feature: A store keeps when a run is due, for workers that come and go
  A claim is a run that is not due before its lease ends. To renew it moves that time; to take it
  over asks that the time has come.

  @STORE-20
  Scenario: An append without records moves when a run is due, and nothing else
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is put off to 60 seconds without a record
    Then at 30 seconds the due runs are those at 10, 10 and 30 seconds
    And at 90 seconds the due runs are those at 10, 10, 30, 60 and 90 seconds
    And its records read back equal

  @STORE-20 @multi_process
  Scenario: A run that is put off without a record is put off for every process
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is put off to 60 seconds without a record
    Then at 30 seconds another process has as due those at 10, 10 and 30 seconds

  @STORE-20
  Scenario Outline: An append without records needs the version as any other
    Given a run created with 2 records
    When it is put off without a record at version <version>
    Then it is refused with "VersionConflict"
    And it is not due

    Examples:
      | version |
      | 0       |
      | 1       |
      | 3       |

  @STORE-21
  Scenario Outline: A take-over stands only while the run is due
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is taken over at <seconds> seconds
    Then the take-over is <answer>

    Examples:
      | seconds | answer  |
      | 19      | refused |
      | 20      | stored  |
      | 21      | stored  |

  @STORE-21
  Scenario: A run that is never due is not taken over
    Given a run created with 2 records
    When it is taken over at 90 seconds
    Then the take-over is refused

  @STORE-21
  Scenario: A take-over that was refused leaves the run as it was
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is taken over at 19 seconds
    Then the take-over is refused
    And at 30 seconds the due runs are those at 10, 10, 20 and 30 seconds
    And its records read back equal

  @STORE-20 @STORE-21
  Scenario: Of one who renews and one who takes over, one wins
    Given a run created with 2 records
    When 4 callers take it over while 4 others renew it, 10 times
    Then a take-over never followed a renewal that had been stored

  @STORE-22
  Scenario: Due runs are listed with the tenants in turns
    Given runs of two tenants due at 5, 40, 10, 50, 70, 60 and 90 seconds
    When 80 seconds are asked for with the tenants in turns
    Then those are the runs due at 5, 40, 10, 50, 60 and 70 seconds, or cut to any limit the first
