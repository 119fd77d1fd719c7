@adoption
Feature: Adoption: identity, start, inspect, resume
  A host app hands over one normalized identity and starts a durable run. A step may pause for
  approval; a person decides; the host resumes that exact run by its run_id.

  @host
  Scenario: The guide's checklist, from a form to the evidence page
    Given a user signed in to the host
    When the user starts a turn with the prompt "Draft a reply about policy"
    Then the host has stored the run_id of that turn
    And the host reads that run back as "waiting_for_approval"
    And the evidence page shows that run
    When a reviewer approves that run
    And the host resumes that run
    Then the host reads that run back as "completed"
    And it is still the same run
    When the user starts another turn with the prompt "And one more thing"
    Then the second turn has the same session and another run

  @host
  Scenario: A run that is waiting for a person is not resumed
    Given a user signed in to the host
    When the user starts a turn with the prompt "Draft a reply"
    And the host resumes that run before anyone decides
    Then the host refuses
    And the host reads that run back as "waiting_for_approval"

  @host
  Scenario: The evidence page does not show a run to someone else
    Given a user signed in to the host
    When the user starts a turn with the prompt "Draft a reply"
    Then the evidence page is not found for a user of another tenant
    And it is refused to a visitor who is not signed in

  Scenario: A run without a step waits for its host
    When a run is started
    Then the run is "running"
    When the host completes the run
    Then the run is "completed"

  Scenario: A step is carried out before start returns
    When a run is started with a step whose handler answers "Completed"
    Then the run is "completed"
    And its step is "completed" with the result of the handler

  Scenario: A step without a handler stays queued until there is one
    When a run is started with a step that has no handler
    Then the run is "running"
    And its step is "queued"
    When what is queued is run with a handler that answers "Completed"
    Then the run is "completed"

  Scenario: A paused run shows exactly what is to be approved
    When a run is started with a step whose handler asks for approval
    Then the run is "waiting_for_approval"
    And its pending approval names the tool, the arguments, their digest and the reason

  Scenario: An approved run is resumed by its run_id
    Given a run that waits for approval
    When "reviewer-7" approves it with the note "ok"
    Then the approval is "approved" by "reviewer-7" with the note "ok"
    When the run is resumed
    Then the run is "completed"
    And the run kept its run_id, session_id, tenant_id and actor_id
    And the handler got the arguments that were approved

  Scenario: A rejected run is cancelled
    Given a run that waits for approval
    When "reviewer-7" rejects it with the note "too risky"
    Then the approval is "rejected" by "reviewer-7" with the note "too risky"
    And the run is "cancelled"
    And its step is "cancelled"

  Scenario: An expired approval authorises nothing
    Given a run that waits for approval for 60 seconds
    When 60 seconds pass
    Then the approval is "expired"
    When it is approved
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And nothing changed
    When the run is resumed
    Then the handler saw the approval as "expired"
    And the run is "waiting_for_approval"
    And its pending approval is a new one

  Scenario Outline: A run is resumed only by its run_id, and only when it may go on
    Given <run>
    When <call>
    Then it is refused with "<error>" naming "run_id"
    And nothing changed
    And no handler was called

    Examples:
      | run                        | call                                  | error           |
      | a run that waits for approval | it is resumed by its session_id    | RunNotFound     |
      | a run that waits for approval | a run that never was is resumed    | RunNotFound     |
      | a run that waits for approval | it is resumed                      | ApprovalPending |
      | a completed run            | it is resumed                         | RunNotResumable |
      | a resumed run              | it is resumed                         | RunNotResumable |
      | a failed run               | it is resumed                         | RunNotResumable |
      | a cancelled run            | it is resumed                         | RunNotResumable |
      | a run with a queued step   | it is resumed                         | RunNotResumable |

  Scenario: A session_id given for a run_id is answered with the way to the run
    Given a run that waits for approval
    When it is resumed by its session_id
    Then it is refused with "RunNotFound" naming "run_id"
    And the message names "list_runs_for_session"

  Scenario: A decision is made once
    Given a run that waits for approval
    When "reviewer-7" approves it with the note "ok"
    And it is rejected
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And nothing changed

  Scenario: Of two who resume at once, one wins and the handler runs once
    Given an approved run
    When two callers resume it at once
    Then one succeeds and the other is refused with "RunNotResumable"
    And the handler was called once

  Scenario: Of two who decide at once, one wins
    Given a run that waits for approval
    When two reviewers approve it at once
    Then one succeeds and the other is refused with "ApprovalNotPending"

  Scenario Outline: An identity names actor, tenant and session
    When an identity is made with <field> <value>
    Then it is refused with "InvalidIdentity" naming "<field>"

    Examples:
      | field      | value   |
      | actor_id   | missing |
      | actor_id   | blank   |
      | tenant_id  | missing |
      | tenant_id  | a list  |
      | session_id | missing |
      | session_id | true    |

  Scenario Outline: A payload that would not come back equal is refused
    When a run is started with metadata that holds <value>
    Then it is refused with "InvalidPayload" naming "<field>"
    And nothing changed

    Examples:
      | value             | field                |
      | bytes             | metadata.value       |
      | not a number      | metadata.value       |
      | a number as a key | metadata.value       |
      | itself            | metadata.value       |
      | more than 256 KiB | metadata             |

  Scenario: Payloads come back equal, in their order
    When a run is started with metadata of every kind of JSON value
    Then the metadata reads back equal and in its order

  Scenario: Turns of one session are separate runs, newest first
    Given 3 runs of one session
    Then the session lists its runs newest first
    And pages of 2 list each of them once

  Scenario: The same idempotency key starts one run
    When a run is started with the idempotency key "order-7"
    And it is started again with the same arguments
    Then both calls returned one run
    And the handler was called once
    When it is started again with other arguments
    Then it is refused with "IdempotencyConflict" naming "idempotency_key"
    And nothing changed

  Scenario: What a handler answers after its run was cancelled is not recorded
    When a run is started whose handler cancels the run before it answers
    Then the run is "cancelled"
    And its step is "cancelled"
    And the last entry of its journal is "run_cancelled"

  Scenario: A handler that raises fails its step, and the run is not lost
    When a run is started with a step whose handler raises
    Then the run is "failed"
    And its step is "failed" with the type and message of the error
    When the run is retried with a handler that answers "Completed"
    Then the run is "completed"

  Scenario Outline: Another tenant's run is as if it did not exist
    Given a run that waits for approval
    When another tenant <call>
    Then it is refused with "RunNotFound" naming "run_id"
    And the message is the one for a run that never was
    And nothing changed

    Examples:
      | call       |
      | reads it   |
      | inspects it |
      | approves it |
      | rejects it |
      | resumes it |
      | retries it |
      | cancels it |
      | completes it |
      | adds a step to it |
      | runs what is queued in it |

  Scenario: Another tenant's listings do not show the run
    Given a run that waits for approval
    Then another tenant finds no run in the same session
    And another tenant finds no run at all

  Scenario: The evidence page shows a run to its tenant alone
    Given a run that waits for approval
    Then its page shows the run, its status and its pending approval
    And its page is "404" for another tenant, as for a run that never was
    And its page is "403" without a scope, whatever the query string says
    And a "POST" to its page is "405"

  Scenario: What a host or a model wrote is shown as text
    When a run is started whose payloads hold "<script>alert(1)</script>"
    Then its page shows that as text

  Scenario: The journal tells every change in order
    Given a resumed run
    Then its journal is numbered from 1 without gaps
    And each entry starts in the state that the entry before it left

  Scenario: A changed entry is found and named
    Given a completed run
    When entry 3 of its journal is changed in the store
    And it is read
    Then it is refused with "StoreCorrupt"
    And the message names "entry 3 of run"

  Scenario: A missing entry is found and named
    Given a completed run
    When entry 2 of its journal is lost by the store
    And it is read
    Then it is refused with "StoreCorrupt"
    And the message names "entry 2 of run"

  Scenario Outline: A store appends only at the version its run is at
    Given a completed run
    When a record is appended to it at version <version>
    Then it is refused with "VersionConflict"
    And nothing changed

    Examples:
      | version |
      | 0       |
      | 4       |
      | 6       |

  Scenario: What is stored outlives the process
    Given a run that waits for approval
    When the store is closed and opened again
    Then the run is "waiting_for_approval"
    And its journal is what it was
    When "reviewer-7" approves it with the note "after the restart"
    And the run is resumed
    Then the run is "completed"
    And the run kept its run_id, session_id, tenant_id and actor_id
