@store
Feature: A store finds runs by where they stand
  What a store tells of its runs without looking into their records: by the facts that they were
  created with, and by the row of the latest write. To it these are words and times to compare.

  @STORE-12 @STORE-31
  Scenario: A run is found by its latest row, and by no earlier one
    Given a run stands at "waiting" since 10 seconds, with "tool:send, assigned:ana"
    And a run stands at "waiting" since 20 seconds, with "tool:send"
    And a run stands at "completed" since 5 seconds, with ""
    When the first stands at "running" since 30 seconds, with "assigned:ana, step:2"
    Then every run is found by where it stands now, and by nothing else

  @STORE-12
  Scenario: A run whose labels were taken away is listed under none
    Given a run stands at "waiting" since 10 seconds, with "tool:send, assigned:ana"
    When the first stands at "completed" since 20 seconds, with ""
    Then every run is found by where it stands now, and by nothing else

  @STORE-20
  Scenario: A run that is put off stands as it did
    Given a run stands at "waiting" since 10 seconds, with "tool:send, assigned:ana"
    When the first is put off to 90 seconds
    Then every run is found by where it stands now, and by nothing else

  @STORE-10
  Scenario: Labels that look alike are different labels
    Given runs with the labels "tool:send", "tool:Send", "tool:send ", "tool:sen", "tool:s%" and "tool"
    Then every run is found by where it stands now, and by nothing else

  @STORE-10
  Scenario: Labels that have one checksum are different labels
    Given runs with the labels "plumless", "buckeroo", "Aa", "BB", "costarring" and "liquid"
    Then every run is found by where it stands now, and by nothing else

  @STORE-12 @STORE-31 @STORE-39
  Scenario: A run is found anew whatever of its row a write changes
    Given runs of which each has changed something else of where it stands
    Then every run is found by where it stands now, and by nothing else
    And any limit returns the first of each labelled listing

  @STORE-33 @STORE-39
  Scenario: Moments of any age are in their order
    Given runs that wait since, and are due at, moments on both sides of 1970 and of 2038
    Then every run is found by where it stands now, and by nothing else

  @STORE-39
  Scenario: A run is found by each of its labels, however many it has
    Given a run with 300 labels
    Then every run is found by where it stands now, and by nothing else

  @STORE-39 @STORE-40
  Scenario: A page is full however many labels its runs have
    Given 5 runs with 40 labels each
    Then any limit returns the first of each labelled listing

  @STORE-39 @TENANT-2
  Scenario: Who has waited longest is listed first, and of those since one moment the smaller id
    Given runs of two tenants that wait since 30, 10, 20, 10, 10, 40, 10 and 20 seconds
    Then each labelled listing has its runs, longest since first
    And any limit returns the first of each labelled listing

  @STORE-40
  Scenario: A labelled listing begins where it is told to, whether there is a run or not
    Given runs of two tenants that wait since 30, 10, 20, 10, 10, 40, 10 and 20 seconds
    Then each labelled listing may begin at any moment and id

  @STORE-40
  Scenario Outline: Pages have each run that stays once, while others come and go
    Given runs of one tenant that wait since 10, 20, 20, 20, 20, 30, 40, 40, 50 and 60 seconds
    When pages of <size> are listed, while runs come, go and move in between
    Then each run that stayed was on one of the pages, once

    Examples:
      | size |
      | 1    |
      | 2    |
      | 3    |

  @STORE-9 @STORE-41 @TENANT-2
  Scenario Outline: Runs are listed by one fact, newest first
    Given runs of two tenants, each with two values of the <fact>
    Then each listing by the <fact> has the runs with its value, newest first
    And each listing by the <fact> may begin before any run

    Examples:
      | fact    |
      | session |
      | actor   |
      | role    |
      | status  |

  @STORE-7
  Scenario: Runs are read in the order in which they are asked for
    Given runs of two tenants, each in two sessions
    Then runs read together come in the order asked, without those that are unknown

  @STORE-42
  Scenario: What is told of a run is of one moment, while others write
    Given a run created with 1 records
    When 3 callers append to it while 3 others read and list it, until it has 60 records
    Then each time its records, its version and its row belonged together
    And each that reads was told of it up to 60 records

  @STORE-42 @STORE-15 @multi_process
  Scenario: What is told of a run is of one moment, while other processes write
    Given a run created with 1 records
    When 2 processes append to it while 2 others read and list it, until it has 40 records
    Then each time its records, its version and its row belonged together
    And each that reads was told of it up to 40 records

  @STORE-43 @TENANT-2
  Scenario: Runs are counted by their status, exactly up to the limit
    Given runs of two tenants, each with two values of the status
    Then the runs of each status are counted exactly up to any limit

  @STORE-45
  Scenario: A listing without records has the same runs
    Given runs of two tenants that wait since 30, 10, 20, 10, 10, 40, 10 and 20 seconds
    Then each listing without records has the runs of the one with them

  @STORE-31 @STORE-33
  Scenario: What a run was created with, and its times, come back as they were
    Given a run with times of another zone, before 1970 and in a hundred years
    Then every run is found by where it stands now, and by nothing else

  @STORE-44 @STORE-23 @prunable
  Scenario: What was pruned is in no listing, under no label and in no count
    Given runs of two tenants that wait since 30, 10, 20, 10, 10, 40, 10 and 20 seconds
    When every second run is pruned
    Then every run is found by where it stands now, and by nothing else

  @STORE-14 @STORE-39 @durable
  Scenario: Where runs stand outlives a store that is closed
    Given runs of two tenants that wait since 30, 10, 20, 10, 10, 40, 10 and 20 seconds
    When the first stands at "running" since 30 seconds, with "step:2"
    And the store is closed and opened anew
    Then every run is found by where it stands now, and by nothing else
