@store
Feature: A store keeps records and interprets none of them
  What a `RunStore` promises, put to it directly. Every other feature rests on these.

  @STORE-1 @STORE-2 @STORE-3 @STORE-4 @STORE-5 @STORE-7 @STORE-8 @STORE-9 @STORE-10 @STORE-11 @STORE-12
  @STORE-13 @STORE-20 @STORE-21 @STORE-22 @STORE-31 @STORE-32 @STORE-33 @STORE-34 @STORE-35
  @STORE-36 @STORE-39 @STORE-40 @STORE-41 @STORE-43 @STORE-45 @TENANT-2 @TENANT-4 @READ-4 @seconds-180
  Scenario: Any sequence of calls is answered as the reference answers
    Given a store with nothing in it
    Then any sequence of calls, by one caller, is answered as the reference answers

  @STORE-23 @STORE-24 @STORE-25 @STORE-36 @STORE-44 @prunable @seconds-180
  Scenario: Any sequence of calls is answered as the reference answers, with runs pruned in between
    Given a store with nothing in it
    Then any sequence of calls, with runs pruned in between, is answered as the reference answers

  @STORE-3 @STORE-8 @STORE-12 @STORE-14 @STORE-20 @STORE-23 @STORE-31 @STORE-33 @STORE-39 @durable
  @seconds-180
  Scenario: Any sequence of calls is answered as the reference answers, on a store opened again
    Given a store with nothing in it
    Then any sequence of calls, closed and opened in between, is answered as the reference answers

  @STORE-15 @STORE-16 @STORE-20 @STORE-23 @multi_process @seconds-180
  Scenario: Any sequence of calls by two handles is answered as the reference answers
    Given a store with nothing in it
    Then any sequence of calls, by two handles, is answered as the reference answers

  @STORE-14 @STORE-15 @STORE-16 @STORE-20 @STORE-23 @STORE-33 @durable @seconds-180
  Scenario: Any sequence of calls by two processes is answered as the reference answers
    Given a store with nothing in it
    Then any sequence of calls, by two processes, is answered as the reference answers

  @STORE-1
  Scenario: A run is stored with its first records
    When a run is created with 2 records
    Then its run_id is returned
    And its records read back equal
    And it is listed

  @STORE-7
  Scenario: Records come back in the order of their sequence
    When a run is created with 2 records
    And 9 records are appended to it one by one
    Then its records read back equal

  @STORE-2
  Scenario: A run is created once
    Given a run created with 2 records
    When it is created again
    Then it is refused with "VersionConflict"
    And its records read back equal
    And every run is found by where it stands now, and by nothing else

  @STORE-16
  Scenario: What one caller stored, every call after it sees
    Given a run created with 2 records
    When 4 callers take turns to create and append
    Then each of them saw what the ones before it had stored

  @STORE-9
  Scenario: A listing has at most its limit, and begins before a run
    Given runs of two tenants, each in two sessions
    Then any limit returns the first of each listing
    And each listing may begin before any run

  @STORE-13
  Scenario: A closed store says so
    Given a run created with 2 records
    When the store is closed, twice
    Then every call is refused with "StoreUnavailable"

  @STORE-14 @durable
  Scenario: What was written outlives a store that is closed
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the store is closed and opened anew
    Then its records read back equal
    And every run is found by where it stands now, and by nothing else
    And at 30 seconds the due runs are those at 10, 10, 20 and 30 seconds

  @STORE-15 @multi_process
  Scenario: Of several processes that append at one version, one succeeds
    Given a run created with 2 records
    When 4 processes append 3 records each at its version at once, 5 times
    Then each time one succeeded and the others were refused with "VersionConflict"
    And its records read back equal
    And every run is found by where it stands now, and by nothing else

  @STORE-15 @multi_process
  Scenario: Of several processes that create under one key, one gives all of them its run
    When 4 processes create a run of "tenant-1" with the key "order-7" at once
    Then all of them got one run, and no other is stored

  @STORE-15 @multi_process
  Scenario: What one process stored, every other sees
    Given a run created with 2 records
    When 4 processes take turns to create and append
    Then each of them saw what the ones before it had stored

  @STORE-26
  Scenario: A store that is closed while others write refuses them
    When 8 callers create runs until the store is closed
    Then each of them was refused with "StoreUnavailable"

  @STORE-26 @durable
  Scenario: A store that is closed while others write lets go of what it holds
    When 8 callers create runs until the store is closed
    Then each of them was refused with "StoreUnavailable"
    And when the store is opened anew it has every run that was acknowledged, and no other

  @STORE-30
  Scenario Outline: What a URL keeps secret is in no message
    When a store is opened by the URL <url>
    Then it is refused with "StoreUnavailable"
    And the message does not have "SECRET"

    Examples:
      | url                                  |
      | postgres://user:SECRET/1@host/runs   |
      | postgresql://user:1@SECRET@host/runs |
      | host=here password=SECRET            |
      | memory://user:SECRET@host            |
      | no-such-store://user:SECRET@host     |
      | no-such-store:SECRET                 |
