@store
Feature: A store lets go of runs that have ended
  What a store promises that declares `prunable`, put to it directly. Which runs have ended is the
  kit's to say: a store looks at the version alone.

  @STORE-23 @prunable
  Scenario: A host that has a run in hand finds that it was pruned
    Given a run that has completed, and that its host has in hand
    When that run is pruned
    Then whatever its host asks of it is refused with "RunNotFound"
    And its host lists no run

  @STORE-24 @multi_process @prunable
  Scenario: Of some processes that append and some that prune, one wins
    When 2 processes append to a run while 2 others prune it, 10 times
    Then each time it was appended to or removed, and not both
