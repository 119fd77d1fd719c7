@store
Feature: A store wakes who waits for work
  What a store promises that declares `waking`, put to it directly.

  @STORE-50 @STORE-51 @waking
  Scenario: Who watches is told of each run of its tenant that becomes due, and of no other
    Given a caller who watches the runs of a tenant for 5 seconds at a time
    When writes make runs due, while others are refused, of another tenant or due later
    Then the caller is told of those alone that are due

  @STORE-50 @waking
  Scenario: Who waits is woken by another caller's write
    Given a caller who watches the runs of a tenant for 5 seconds at a time
    When another caller makes a run due
    Then the caller who waits is told of it at once

  @STORE-50 @waking
  Scenario: All who wait for a run are woken, each time that it becomes due
    When a run becomes due twice while callers wait for its tenant, for another and for all
    Then each time all whom it concerns are told of it at once

  @STORE-50 @waking @multi_process
  Scenario: Who waits is woken by another process
    Given a caller who watches the runs of a tenant for 5 seconds at a time
    When another process makes a run due
    Then the caller who waits is told of it at once

  @STORE-52 @waking
  Scenario: Closing a store ends the wait for work
    Given a caller who watches the runs of a tenant for 1 second at a time
    When the store is closed under that caller
    Then the wait has ended with StoreUnavailable
