@store
Feature: A store keeps when a run is due, for workers that come and go
  A claim is a run that is not due before its lease ends. To renew it moves that time; to take it
  over asks that the time has come.

  @STORE-20 @STORE-21
  Scenario: Of one who renews and one who takes over, one wins
    Given a run created with 2 records
    When 4 callers take it over while 4 others renew it, 10 times
    Then a take-over never followed a renewal that had been stored
