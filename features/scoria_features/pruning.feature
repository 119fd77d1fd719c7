@store
Feature: A store lets go of runs that have ended
  What a store promises that declares `prunable`, put to it directly. Which runs have ended is the
  kit's to say: a store looks at the version alone.

  @STORE-23 @prunable
  Scenario: A run that is pruned is gone from every listing
    Given runs of two tenants, each in two sessions
    When every third of them is pruned
    Then those were removed, and no other
    And each listing has the runs of its tenant and session alone, newest first
    And its records read back equal

  @STORE-23 @prunable
  Scenario: A run that is pruned has no records
    Given a run created with 2 records
    When it is pruned at version 2
    Then those were removed, and no other
    And it reads as empty, and is not listed

  @STORE-23 @prunable
  Scenario: A run that is pruned does not come back by an append
    Given a run created with 2 records
    When it is pruned at version 2
    And 2 records are appended to what was pruned, at any version
    Then each is refused with "VersionConflict"
    And it reads as empty, and is not listed

  @STORE-23 @prunable
  Scenario: A run that is pruned is no longer due
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is pruned
    Then at 30 seconds the due runs are those at 10, 10 and 30 seconds

  @STORE-23 @durable @prunable
  Scenario: What was pruned stays gone in a store that is opened anew
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is pruned
    And the store is closed and opened anew
    Then it reads as empty, and is not listed
    And at 30 seconds the due runs are those at 10, 10 and 30 seconds
    And its records read back equal

  @STORE-23 @multi_process @prunable
  Scenario: What one process pruned is gone for every other
    Given a run created with 2 records
    When it is pruned by another process
    Then it reads as empty, and is not listed

  @STORE-23 @prunable
  Scenario: A host that has a run in hand finds that it was pruned
    Given a run that has completed, and that its host has in hand
    When that run is pruned
    Then whatever its host asks of it is refused with "RunNotFound"
    And its host lists no run

  @STORE-24 @prunable
  Scenario Outline: A run at another version stays
    Given a run created with 2 records
    When it is pruned at version <version>
    Then nothing was removed
    And its records read back equal
    And it is listed

    Examples:
      | version |
      | 0       |
      | 1       |
      | 3       |

  @STORE-24 @prunable
  Scenario: A run that was never created is not pruned
    Given a run created with 2 records
    When a run that was never created is pruned
    Then nothing was removed
    And its records read back equal

  @STORE-24 @prunable
  Scenario: Of runs that are pruned together each is judged by itself
    Given runs of two tenants, each in two sessions
    When all are pruned, each third one at another version than its own
    Then those were removed, and no other
    And each listing has the runs of its tenant and session alone, newest first
    And its records read back equal

  @STORE-24 @prunable
  Scenario: Of some who append and some who prune, one wins
    When 4 callers append to a run while 4 others prune it, 10 times
    Then each time it was appended to or removed, and not both

  @STORE-24 @multi_process @prunable
  Scenario: Of some processes that append and some that prune, one wins
    When 2 processes append to a run while 2 others prune it, 10 times
    Then each time it was appended to or removed, and not both

  @STORE-25 @prunable
  Scenario: The idempotency key of a run that was pruned is free
    Given a run of "tenant-1" created with the key "order-7"
    When that run is pruned at version 1
    And another run of "tenant-1" is created with the key "order-7"
    Then its run_id is returned
    And its records read back equal

  @STORE-25 @prunable
  Scenario: The idempotency key of another tenant's run is not freed
    Given a run of "tenant-2" created with the key "order-7"
    And a run of "tenant-1" created with the key "order-7"
    When that run is pruned at version 1
    And another run of "tenant-2" is created with the key "order-7"
    Then the first run is returned, and the other was not stored
