@store
Feature: A store keeps records and interprets none of them
  What a `RunStore` promises, put to it directly. Every other feature rests on these.

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

  Scenario: Records come back in the order of their sequence
    When a run is created with 2 records
    And 9 records are appended to it one by one
    Then its records read back equal

  Scenario: A run is created once
    Given a run created with 2 records
    When it is created again
    Then it is refused with "VersionConflict"
    And its records read back equal

  Scenario: A run that was never created cannot be appended to
    When a record is appended to a run that was never created
    Then it is refused with "VersionConflict"
    And there is still no such run

  Scenario: Of several records none is stored at a version that has passed
    Given a run created with 2 records
    When 3 records are appended to it at version 1
    Then it is refused with "VersionConflict"
    And its records read back equal

  Scenario: An idempotency key returns the run that has it
    Given a run of "tenant-1" created with the key "order-7"
    When another run of "tenant-1" is created with the key "order-7"
    Then the first run is returned, and the other was not stored

  Scenario: An idempotency key belongs to its tenant
    Given a run of "tenant-1" created with the key "order-7"
    When another run of "tenant-2" is created with the key "order-7"
    Then the other run is returned, and both are stored

  Scenario: Ids that differ only in case are different ids
    Given a run in each of the sessions "chat", "Chat" and "chat "
    Then each of those sessions lists its own run alone

  Scenario: Runs with work to do come longest due first
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    Then at 30 seconds the due runs are those at 10, 10, 20 and 30 seconds
    And of those the first 2 are the ones at 10 seconds, in the order of their ids
    And each tenant has only its own among them

  Scenario: The latest write says when a run is due
    Given runs of two tenants due at 30, 10, 20, 10 and 90 seconds
    When the run due at 20 seconds is written to with nothing to do
    And the run due at 30 seconds is written to and due at 5 seconds
    Then at 30 seconds the due runs are those at 5, 10 and 10 seconds

  Scenario: A closed store says so
    Given a run created with 2 records
    When the store is closed, twice
    Then every call is refused with "StoreUnavailable"
