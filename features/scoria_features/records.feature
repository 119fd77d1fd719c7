@adoption
Feature: Records: what is read is what was said and done
  The journal of a run tells everything that happened to it. What is read comes from it, for those
  of its tenant alone, and nobody changes it in silence.

  @READ-1
  Scenario: A run reads back as it stands, and in detail with all that it is made of
    When a handoff run is started whose child asks for approval
    Then what is read of the run is where it stands now
    And its detail has its steps, approvals, handoffs and journal

  @READ-1
  Scenario: A run reads back as another host left it
    Given a run with a queued step
    When another host runs its step with a handler that answers "Completed"
    Then the run is "completed"

  @READ-3
  Scenario: Pages of all runs list each of them once
    Given 5 runs of one session
    Then pages of 2 of all runs list each of them once

  @READ-4
  Scenario Outline: What was handed over is not what is stored
    When a run is started, and <what was handed over> is changed afterwards
    Then what is stored of it has not changed

    Examples:
      | what was handed over            |
      | the metadata of its identity    |
      | metadata                        |
      | the input of its step           |
      | the result of its handler       |
      | the arguments of its request    |
      | the input of its handoff        |
      | the context of its handoff      |

  @READ-4
  Scenario: What was read is not what is stored
    When a handoff run is started whose child asks for approval
    And everything that was read of it is changed
    Then what is stored of it has not changed

  @READ-4
  Scenario: What a handler was given is not what is stored
    When a run is started whose handler changes all that it was given, and asks for approval
    Then what is stored of it has not changed

  @READ-5
  Scenario: Times are in UTC, and statuses are their plain words
    Given a resumed run
    Then every time of it is aware and in UTC
    And every status of it equals its plain word

  @READ-6
  Scenario: Reading writes nothing
    Given a run that waits for approval for 60 seconds
    When 60 seconds pass
    And everything about it is read
    Then nothing was written to the store

  @READ-20
  Scenario: A damaged run hides no other
    Given 3 runs with a queued step
    When entry 2 of the second is changed in the store
    Then each list has the first and the third, whatever the length of its pages
    And all of them are due

  @READ-32
  Scenario: A page costs one call of the store, whatever its length
    When 20 runs are started one after the other
    Then a page of any length costs one call of the store

  @READ-21
  Scenario: A damaged run is shown in its place
    Given 3 runs with a queued step
    When entry 2 of the second is changed in the store
    Then the list with the damaged shows the second between the others, with entry 2

  @READ-33
  Scenario: What comes before the damage can be inspected
    Given a resumed run
    When each entry of its journal in turn is changed in the store
    Then it is inspected as it was before that entry, or not at all before it was whole

  @READ-7
  Scenario: Run ids are UUIDv7, each greater than those before
    When 50 runs are started one after the other
    Then their ids are UUIDs of version 7, each greater than the one before

  @PAYLOAD-1 @PAYLOAD-4
  Scenario Outline: A payload that would not come back equal is refused
    When a run is started with metadata that holds <value>
    Then it is refused with "InvalidPayload" naming "<field>"
    And nothing changed
    And no handler was called

    Examples:
      | value             | field              |
      | bytes             | metadata.value     |
      | not a number      | metadata.value     |
      | infinity          | metadata.value     |
      | a number as a key | metadata.value     |
      | itself            | metadata.value     |
      | a set, deep in    | metadata.value.a[1] |
      | a list in place of an object | metadata |

  @PAYLOAD-1 @PAYLOAD-4
  Scenario Outline: A payload is checked wherever it is handed over
    Given a run without a step
    When bytes are handed over as <payload>
    Then it is refused with "InvalidPayload" naming "<field>"
    And nothing changed
    And no handler was called

    Examples:
      | payload                      | field                   |
      | the input of its first step  | initial_step.input.value |
      | the input of another step    | step.input.value        |
      | the input of a handoff       | handoff_input.value     |
      | the context of a handoff     | projected_context.value |

  @PAYLOAD-1
  Scenario Outline: A payload of a handler is checked too
    When a run is started with a step whose handler answers bytes as <payload>
    Then the run is "failed"
    And its step failed with "InvalidPayload"

    Examples:
      | payload       |
      | the result    |
      | the details   |
      | the arguments |

  @PAYLOAD-2
  Scenario Outline: A payload has a limit, which a host may set
    Given a host that allows payloads of <limit> bytes
    When a run is started with metadata of <size> bytes
    Then it is <answer>

    Examples:
      | limit       | size   | answer                                            |
      | the default | 262144 | accepted                                          |
      | the default | 262145 | refused with "InvalidPayload" naming "metadata"   |
      | 100         | 100    | accepted                                          |
      | 100         | 101    | refused with "InvalidPayload" naming "metadata"   |
      | 300000      | 300000 | accepted                                          |
      | 300000      | 300001 | refused with "InvalidPayload" naming "metadata"   |

  @PAYLOAD-3
  Scenario Outline: Payloads come back equal, in their order
    When a run is started with <payload> of every kind of JSON value
    Then that reads back equal and in its order

    Examples:
      | payload                      |
      | metadata                     |
      | the input of its step        |
      | the result of its handler    |
      | the arguments of its request |
      | the input of its handoff     |
      | the context of its handoff   |

  @JOURNAL-1 @JOURNAL-2
  Scenario: The journal tells every change in order
    Given a resumed run
    Then its journal is numbered from 1 without gaps
    And each entry starts in the state that the entry before it left
    And it tells in this order of run_started, step_claimed, approval_requested, approval_approved
    And it tells in this order of approval_approved, run_resumed, step_completed, run_completed

  @JOURNAL-3
  Scenario: A whole journal in the place of another is noticed
    Given a completed run
    And a run of the same session that has completed
    When entry 1 of its journal is taken with all that follow from another run by the store
    And it is read
    Then it is refused with "StoreCorrupt"
    And the message names "entry 1 of run"

  @JOURNAL-3
  Scenario Outline: An entry that is not what was written is found and named
    Given a completed run
    And a run of the same session that has completed
    When entry 3 of its journal is <damaged> the store
    And it is read
    Then it is refused with "StoreCorrupt"
    And the message names "entry 3 of run"

    Examples:
      | damaged                          |
      | changed in                       |
      | lost by                          |
      | moved to the next place by       |
      | taken from another run by        |
      | told twice by                    |

  @JOURNAL-8
  Scenario: A clock that is set back does not set the journal back
    Given a run that waits for approval
    When the clock is set back by 3600 seconds
    And "reviewer-7" approves it with the note "ok"
    And the run is resumed
    Then no entry is earlier than the one before it
    And the run is "completed"

  @STORE-27
  Scenario Outline: An entry of another type is found and named
    Given a completed run
    And a run of the same session that has completed
    When entry 3 of its journal is <damaged> the store
    And it is read
    Then it is refused with "StoreCorrupt"
    And the message names "entry 3 of run"

    Examples:
      | damaged                        |
      | given a body of bytes by       |
      | given no body by               |
      | given a digest of bytes by     |
      | given a number that is text by |

  @JOURNAL-4
  Scenario: An entry tells when, what and who
    Given a run that waits for approval
    When 90 seconds pass
    And "reviewer-7" approves it with the note "ok"
    Then the last entry tells that "reviewer-7" approved that request 90 seconds after it was made
    And the entries before it name nobody but who started the run

  @JOURNAL-5
  Scenario: An entry stays as it was, whatever comes later
    Given a run that waits for approval for 60 seconds
    When 60 seconds pass
    And its journal is kept aside
    And the run is resumed
    And the run is cancelled
    Then its journal begins with what was kept aside

  @TENANT-1
  Scenario Outline: Another tenant's run is as if it did not exist
    Given a run that waits for approval
    When another tenant <call>
    Then it is refused with "RunNotFound" naming "run_id"
    And the message is the one for a run that never was
    And nothing changed
    And no handler was called

    Examples:
      | call                      |
      | reads it                  |
      | inspects it               |
      | approves it               |
      | rejects it                |
      | resumes it                |
      | retries it                |
      | cancels it                |
      | completes it              |
      | adds a step to it         |
      | runs what is queued in it |

  @TENANT-2
  Scenario: Another tenant's listings do not show the run
    Given a run that waits for approval
    Then another tenant finds no run in the same session
    And another tenant finds no run at all

  @TENANT-2
  Scenario: Another tenant finds nothing to run
    Given a run with a queued step
    When another tenant runs all that is queued
    Then no handler was called
    And its step is "queued"

  @TENANT-3 @ERROR-2
  Scenario Outline: A view of one tenant shows no other tenant's runs, whatever is asked of it
    Given a run that waits for approval
    When a view of another tenant is <turned>
    Then it is refused with "InvalidIdentity" naming "tenant_id"
    And nothing changed

    Examples:
      | turned                                      |
      | asked for a view of the run's tenant        |
      | asked for a view of a tenant in capitals    |
      | asked for a view of a tenant that it begins |
      | asked to start a run of that tenant         |

  @TENANT-4
  Scenario: Two tenants may use one idempotency key
    When a run is started with the idempotency key "order-7"
    And another tenant starts a run with the idempotency key "order-7"
    Then each of them has a run of its own

  @ERROR-1 @ERROR-3
  Scenario Outline: A refusal has a code to decide by, and names what was wrong
    Given <run>
    When <call>
    Then it is refused with the code "<code>" naming "<field>"

    Examples:
      | run                           | call                                              | code                     | field                        |
      | a run without a step          | an identity is made with actor_id missing         | invalid_identity         | actor_id                     |
      | a run without a step          | a run is started with metadata that holds bytes   | invalid_payload          | metadata.value               |
      | a run without a step          | a handoff run is started without its delegated_kind | invalid_handoff        | delegated_kind               |
      | a run without a step          | a handoff run is started with the context {"token": 1} | unsafe_projected_context | projected_context.token |
      | a run without a step          | its host starts it with the handler 7             | unknown_handler          | handlers['work']             |
      | a run that waits for approval | a run that never was is resumed                   | run_not_found            | run_id                       |
      | a run that waits for approval | it is resumed                                     | approval_pending         | run_id                       |
      | a resumed run                 | it is resumed                                     | run_not_resumable        | run_id                       |
      | a resumed run                 | it is approved                                    | approval_not_pending     | approval_id                  |
      | a resumed run                 | its host cancels it                               | transition_refused       | run_id                       |

  @ERROR-3
  Scenario Outline: A refusal is one line, whatever was handed over
    Given a run that waits for approval
    When a text of two lines is handed over as <what>
    Then it is refused in one line

    Examples:
      | what              |
      | the run_id        |
      | the approval_id   |
      | the actor_id      |
      | the root role     |
      | the kind of a step |
      | the handler       |
      | a key of metadata |
      | a key of a context |
      | the idempotency key |
      | the place of a page |
