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

  @STORE-19 @STORE-4 @STORE-3 @STORE-6 @STORE-20 @STORE-21
  Scenario Outline: Wherever a caller is stopped, another finds the store right
    When a caller that <acts> is stopped at each point while another makes its calls
    Then each time one order of the calls explains all that both were told

    Examples:
      | acts                          |
      | creates a run                 |
      | creates another under its key |
      | appends to a run              |
      | appends many records          |
      | puts a run off                |
      | takes a run over              |
      | reads a run                   |
      | reads two runs                |
      | reads two of many runs        |
      | lists the runs                |
      | lists the labelled runs       |
      | lists the due runs            |
      | counts the runs               |

  @STORE-19 @STORE-24 @prunable
  Scenario: Wherever a caller that prunes is stopped, another finds the store right
    When a caller that prunes a run is stopped at each point while another makes its calls
    Then each time one order of the calls explains all that both were told

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
    When 8 callers decide on, resume and claim <runs> at once, <turns> times each
    Then one order of the calls on each run explains all that they were told

    Examples:
      | runs    | turns |
      | one run | 12    |
      | 16 runs | 30    |

  @STORE-14 @STORE-37 @STORE-38 @STORE-4 @STORE-25 @durable
  Scenario Outline: A process that is killed while its threads write and prune leaves every run whole
    When a process in which threads write and one prunes dies at <where>
    Then each time every run is as it was acknowledged, or as the call under way leaves it

    Examples:
      | where               |
      | a line of its code  |
      | a byte of its files |
      | any moment          |

  @STORE-14 @STORE-4 @durable
  Scenario Outline: Whoever is killed at a write loses nothing that was acknowledged
    When a process that carries a run through is killed <moment> each of its writes
    Then each time the store holds all that was acknowledged, and no part of a write
    And what was found each time is still there
    And each of the runs goes on to its end

    Examples:
      | moment |
      | within |
      | after  |

  @STORE-15 @STORE-14 @STORE-4 @durable @multi_process
  Scenario: Of processes that are killed at their writes none takes the others with it
    When 4 processes carry a run each through, and die at another write each
    Then each time the store holds all that was acknowledged, and no part of a write
    And what was found each time is still there
    And each of the runs goes on to its end

  @STORE-18
  Scenario: The thousandth run costs what the first did
    When 1010 runs are put into a store
    Then no call costs several times what it cost at first
    And one page of each listing holds them all
    And they are counted up to a thousand, and exactly as some leave

  @STORE-26
  Scenario: A call under way when its store is closed finishes
    Given a store with nothing in it
    When the store is closed while it takes the records of a caller, who then goes on
    Then the caller was told that its records are stored
