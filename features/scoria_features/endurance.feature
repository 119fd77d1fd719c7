@store @seconds-180
Feature: A store holds under whatever comes
  What content of any kind, many callers, many runs, and a process that is killed at any moment do
  to a store.

  @STORE-8
  Scenario: Whatever is stored comes back as it was
    Given a run created with 2 records
    Then whatever records are stored read back equal

  @STORE-8 @STORE-14 @durable
  Scenario: Whatever is stored comes back as it was, from a store that is opened anew
    Given a store that lasts
    Then whatever records are stored read back equal, once it is opened anew

  @PAYLOAD-3
  Scenario: Whatever a host hands over comes back equal and in its order
    Given a run that waits for approval
    Then whatever payload is handed over reads back equal and in its order

  @STORE-9 @STORE-10 @STORE-11 @TENANT-2
  Scenario Outline: No listing takes one tenant or session for another
    Given runs of three tenants and sessions whose ids differ <how>
    Then each listing has the runs of its tenant and session alone, newest first
    And each listing may be cut to any limit
    And each listing may begin before any run
    And each listing of what is due has the runs of its tenant alone, cut to any limit

    Examples:
      | how                        |
      | in case                    |
      | in a space                 |
      | in where they end          |
      | in a wildcard              |
      | in another wildcard        |
      | in a quote                 |
      | in how a letter is written |
      | in a leading zero          |

  @STORE-19
  Scenario Outline: What callers are told by a store at once fits one order of their calls
    When 8 callers write to and read <runs> at once, 40 times each
    Then one order of the calls on each run explains all that they were told

    Examples:
      | runs    |
      | one run |
      | 16 runs |

  @STORE-19 @multi_process
  Scenario Outline: What processes are told by a store at once fits one order of their calls
    When 4 processes write to and read <runs> at once, 40 times each
    Then one order of the calls on each run explains all that they were told

    Examples:
      | runs    |
      | one run |
      | 3 runs  |

  @STORE-19
  Scenario Outline: What callers who decide, resume and claim are told fits one order of their calls
    When 8 callers decide on, resume and claim <runs> at once, 30 times each
    Then one order of the calls on each run explains all that they were told

    Examples:
      | runs    |
      | one run |
      | 16 runs |

  @STORE-14 @STORE-4 @durable
  Scenario Outline: Whoever is killed at a write loses nothing that was acknowledged
    When a process that carries a run through is killed <moment> each of its writes
    Then each time the store holds all that was acknowledged, and no part of a write
    And what was found each time is still there
    And each of the runs goes on to its end

    Examples:
      | moment |
      | before |
      | within |
      | during |
      | after  |

  @STORE-15 @STORE-14 @STORE-4 @durable @multi_process
  Scenario: Of processes that are killed at their writes none takes the others with it
    When 4 processes carry a run each through, and die at another write each
    Then each time the store holds all that was acknowledged, and no part of a write
    And what was found each time is still there
    And each of the runs goes on to its end

  @STORE-18
  Scenario: The thousandth run costs what the first did
    When 1000 runs are put into a store
    Then no call costs several times what it cost at first
