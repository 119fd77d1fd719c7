@store
Feature: A store keeps records and interprets none of them
  What a `RunStore` promises, put to it directly. Every other feature rests on these.

  @STORE-1
  Scenario: A run is stored with its first records
    When a run is created with 2 records
    Then its run_id is returned
    And its records read back equal
    And it is listed

  @STORE-8
  Scenario Outline: A record comes back as it was stored
    When a run is created with a record that holds <text>
    Then its records read back equal

    Examples:
      | text                        |
      | 256 KiB of letters          |
      | decomposed letters          |
      | line separators             |
      | letters beyond the BMP      |
      | spaces at its ends          |
      | quotes and backslashes      |

  @STORE-7
  Scenario: Records come back in the order of their sequence
    When a run is created with 2 records
    And 9 records are appended to it one by one
    Then its records read back equal

  @STORE-7
  Scenario: A run that was never created has no records
    Given a run created with 2 records
    Then a run that was never created reads as empty

  @STORE-2
  Scenario: A run is created once
    Given a run created with 2 records
    When it is created again
    Then it is refused with "VersionConflict"
    And its records read back equal

  @STORE-5
  Scenario: A run that was never created cannot be appended to
    When a record is appended to a run that was never created
    Then it is refused with "VersionConflict"
    And there is still no such run

  @STORE-4 @STORE-5
  Scenario Outline: Of several records none is stored at a version that the run is not at
    Given a run created with 2 records
    When 3 records are appended to it at version <version>
    Then it is refused with "VersionConflict"
    And its records read back equal
    And it is not due

    Examples:
      | version |
      | 0       |
      | 1       |
      | 3       |

  @STORE-4
  Scenario: Who reads during an append sees all of its records or none
    Given a run created with 2 records
    When others read it while 40 records at a time are appended to it
    Then each of them saw all of the records of an append or none

  @STORE-6
  Scenario: Of several callers that append at one version, one succeeds
    Given a run created with 2 records
    When 8 callers append 3 records each at its version at once, 10 times
    Then each time one succeeded and the others were refused with "VersionConflict"
    And its records read back equal

  @STORE-16
  Scenario: What one caller stored, every call after it sees
    Given a run created with 2 records
    When 4 callers take turns to create and append
    Then each of them saw what the ones before it had stored

  @READ-4
  Scenario: What was given to a store, or came from it, is not what it holds
    Given a run created with 2 records
    When the records that were given are changed, and those that were read
    Then its records read back equal

  @STORE-3
  Scenario: An idempotency key returns the run that has it
    Given a run of "tenant-1" created with the key "order-7"
    When another run of "tenant-1" is created with the key "order-7"
    Then the first run is returned, and the other was not stored

  @STORE-3
  Scenario: Of several callers that create under one key, one gives all of them its run
    When 8 callers create a run of "tenant-1" with the key "order-7" at once
    Then all of them got one run, and no other is stored

  @STORE-3 @TENANT-4
  Scenario: An idempotency key belongs to its tenant
    Given a run of "tenant-1" created with the key "order-7"
    When another run of "tenant-2" is created with the key "order-7"
    Then the other run is returned, and both are stored

  @STORE-10
  Scenario: Ids that differ only in case are different ids
    Given a run in each of the sessions "chat", "Chat" and "chat "
    Then each of those sessions lists its own run alone

  @STORE-10
  Scenario Outline: Ids that look alike are different ids
    Given a run of a <place> called "<one>" and another of one called "<other>"
    Then each of them is found by its own <place> alone

    Examples:
      | place           | one    | other    |
      | tenant          | acme   | Acme     |
      | tenant          | acme   | acme-    |
      | tenant          | a%     | ab       |
      | session         | chat_1 | chatx1   |
      | session         | straße | strasse  |
      | idempotency key | order  | Order    |
      | idempotency key | order  | o_der    |

  @STORE-9 @TENANT-2
  Scenario: A listing is of one tenant and session, newest first
    Given runs of two tenants, each in two sessions
    Then each listing has the runs of its tenant and session alone, newest first

  @STORE-9
  Scenario: A listing has at most its limit, and begins before a run
    Given runs of two tenants, each in two sessions
    Then each listing may be cut to any limit
    And each listing may begin before any run

  @STORE-11 @TENANT-2
  Scenario: Runs with work to do come longest due first
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    Then at 30 seconds the due runs are those at 10, 10, 20 and 30 seconds
    And of those the first 2 are the ones at 10 seconds, in the order of their ids
    And each tenant has only its own among them

  @STORE-11
  Scenario: A run is due at its microsecond, and not before
    Given runs due 3, 1 and 2 microseconds after noon
    Then at each microsecond those are due whose time has come, longest due first

  @STORE-12
  Scenario: The latest write says when a run is due
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is written to with nothing to do
    And the run due at 30 seconds is written to and due at 5 seconds
    Then at 30 seconds the due runs are those at 5, 10 and 10 seconds

  @STORE-31 @STORE-12
  Scenario: What a store finds a run by is what was last written
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    And a run of "tenant-2" created with the key "order-7"
    When the run due at 20 seconds is written to with nothing to do
    And the run due at 30 seconds is written to and due at 5 seconds
    Then the head of each run says what was last written
    And a run that was never created has no head

  @STORE-31 @STORE-14 @durable
  Scenario: What a store finds a run by outlives the store
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    And a run of "tenant-2" created with the key "order-7"
    When the run due at 30 seconds is written to and due at 5 seconds
    And the store is closed and opened anew
    Then the head of each run says what was last written
    And a run that was never created has no head

  @STORE-13
  Scenario: A closed store says so
    Given a run created with 2 records
    When the store is closed, twice
    Then every call is refused with "StoreUnavailable"

  @STORE-14 @STORE-4 @durable
  Scenario: What was acknowledged outlives a process that is killed
    When a process that appends 3 records at a time is killed
    And the store is opened again
    Then it holds all that was acknowledged, and no part of an append

  @STORE-14 @durable
  Scenario: What was written outlives a store that is closed
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the store is closed and opened anew
    Then its records read back equal
    And at 30 seconds the due runs are those at 10, 10, 20 and 30 seconds

  @STORE-11 @STORE-12 @STORE-14 @TENANT-2 @durable
  Scenario: What is written to a store that is opened anew is due for its own tenant
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the store is closed and opened anew
    And the run due at 20 seconds is written to with nothing to do
    And the run due at 30 seconds is written to and due at 5 seconds
    Then at 30 seconds the due runs are those at 5, 10 and 10 seconds
    And each tenant has only its own among them

  @STORE-15 @multi_process
  Scenario: Of several processes that append at one version, one succeeds
    Given a run created with 2 records
    When 4 processes append 3 records each at its version at once, 5 times
    Then each time one succeeded and the others were refused with "VersionConflict"
    And its records read back equal

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
