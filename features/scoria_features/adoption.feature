@adoption
Feature: Adoption: identity, start, inspect, resume
  A host app hands over one normalized identity and starts a durable run. A step may pause for
  approval; a person decides; the host resumes that exact run by its run_id.

  @host @HOST-1 @HOST-2 @HOST-3 @HOST-4 @HOST-5
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

  @host @seconds-300 @HOST-2 @HOST-3 @HOST-4 @HOST-6 @HOST-8 @HOST-9 @TENANT-1
  Scenario: Each act is open to whom it is for, and to nobody else
    Given everybody in the host, each with a run that waits for approval
    Then each act on a run is done for whom it must be, and refused to whom it must be
    And whoever is signed in starts a turn, and a visitor does nothing of the kind

  @host @HOST-2 @HOST-4 @HOST-9 @HOST-10
  Scenario: An act out of its turn changes nothing
    Given everybody in the host, each with a run that waits for approval
    Then an act out of its turn is refused, and one that is sent again changes nothing
    And what its user reads is how the run stands, whoever changed it since

  @host @HOST-2 @HOST-8 @TENANT-1
  Scenario: An act on what is no run of one's tenant changes nothing
    Given everybody in the host, each with a run that waits for approval
    Then an act on what is no run of one's tenant is refused and changes nothing

  @host @served @HOST-8 @HOST-9 @TENANT-1
  Scenario: What a user sends to a host is worth nothing from another tenant
    Given everybody in a host whose requests are overheard
    Then what changes a run changes nothing where another tenant sends it
    And what shows a run shows nothing of it where another tenant sends it

  @host @served @HOST-11 @HOST-12
  Scenario: What several do at once is each in their own name
    Given everybody in a host whose requests are overheard
    Then who acts while another's request is under way leaves each of them their own name

  @host @served @HOST-10
  Scenario: An act that is sent again starts no run
    Given everybody in a host whose requests are overheard
    Then an act that is sent again leaves the list of runs as it was

  @host @served @HOST-12
  Scenario: Who signs in where another was has a session of their own
    Given one browser of a host
    Then who signs in where another is signed in has a session and runs of their own

  @host @HOST-1 @HOST-11 @HOST-12
  Scenario: What is on record is in the name of who did it
    Given everybody in the host, each with a run that waits for approval
    Then each of them has a session of their own, and what is stored for it is its latest run
    And each run and each decision is in the name of who made it

  @IDENTITY-1
  Scenario Outline: An identity names actor, tenant and session
    When an identity is made with <field> <value>
    Then it is refused with "InvalidIdentity" naming "<field>"

    Examples:
      | field      | value   |
      | actor_id   | missing |
      | actor_id   | blank   |
      | actor_id   | a list  |
      | actor_id   | true    |
      | actor_id   | a fraction |
      | tenant_id  | missing |
      | tenant_id  | blank   |
      | tenant_id  | a list  |
      | tenant_id  | true    |
      | tenant_id  | a fraction |
      | session_id | missing |
      | session_id | blank   |
      | session_id | a list  |
      | session_id | true    |
      | session_id | a fraction |

  @IDENTITY-2
  Scenario Outline: An id is taken as a host has it, and kept as text
    When a run is started for an actor, a tenant and a session given as <value>
    Then their ids read back as "<text>"

    Examples:
      | value                       | text                                 |
      | the text "42"               | 42                                   |
      | the number 42               | 42                                   |
      | a UUID                      | 6f0e0c5a-3c1d-4e0b-9d52-0a1b2c3d4e5f |
      | an object whose id is 42    | 42                                   |
      | an object whose id is a UUID | 6f0e0c5a-3c1d-4e0b-9d52-0a1b2c3d4e5f |
      | a mapping whose id is 42    | 42                                   |

  @IDENTITY-3
  Scenario Outline: An identity taken at the edge is the one that its values give
    When an identity is taken from <edge> that holds a token too
    Then it equals the one written out, and the token is not in it

    Examples:
      | edge                                |
      | a session                           |
      | a session as the guide keeps it     |
      | a session of another framework      |
      | a request state                     |
      | a request state with objects        |
      | a request state that is a mapping   |

  @IDENTITY-3
  Scenario: Of several names for an id at the edge the first that is there counts
    Then each id is what the first of its names holds, be it 0, whatever the others hold

  @IDENTITY-3 @IDENTITY-1
  Scenario Outline: An identity is not taken from an edge that lacks an id
    When an identity is taken from <edge> without a tenant
    Then it is refused with "InvalidIdentity" naming "tenant_id"

    Examples:
      | edge                              |
      | a session                         |
      | a session as the guide keeps it   |
      | a request state                   |
      | a request state that is a mapping |

  @IDENTITY-4
  Scenario: The metadata of an identity reads back with its run
    When a run is started with the metadata of its identity of every kind of JSON value
    Then that reads back equal and in its order

  @IDENTITY-4 @PAYLOAD-1
  Scenario: The metadata of an identity is a payload
    When an identity is made whose metadata holds bytes
    Then it is refused with "InvalidPayload" naming "identity.metadata.value"

  @RUN-9
  Scenario Outline: A run without a step waits for its host
    When a run is started
    Then the run is "running"
    When <the host acts>
    Then the run is "<status>"

    Examples:
      | the host acts                                          | status    |
      | the host completes the run                             | completed |
      | the run is cancelled                                   | cancelled |
      | the host adds a step whose handler answers "Completed" | running   |

  @RUN-9
  Scenario: A run without a step is completed by its host, whatever its steps have done
    Given a run without a step
    When the host adds a step whose handler answers "Completed"
    And the host adds a step whose handler answers "Completed"
    Then every step is "completed"
    And the run is "running"
    When the host completes the run
    Then the run is "completed"

  @RUN-9 @RUN-11
  Scenario: A run without a step that failed waits for its host again once it was retried
    Given a run without a step
    When the host adds a step whose handler answers "Failed"
    Then the run is "failed"
    When the run is retried with a handler that answers "Completed"
    Then every step is "completed"
    And the run is "running"

  @RUN-31
  Scenario Outline: The first entry of a run says who completes it
    Given <run>
    Then its first entry says that it is driven by "<whom>"

    Examples:
      | run                      | whom  |
      | a run without a step     | host  |
      | a run with a queued step | steps |
      | a completed run          | steps |

  @RUN-30
  Scenario: A failed run shows why it failed, until it is retried
    When a run is started with a step whose handler answers "Failed"
    Then the run shows the error of its step
    When the run is retried with a handler that answers "Completed"
    Then the run is "completed"
    And the run shows no error

  @RUN-8
  Scenario: A run completes by itself when the last of its steps has
    Given a run with a queued step
    When another step is queued in it
    And what is queued is run with a handler that answers "Completed"
    Then the handler was called 2 times
    And the run was "running" at each of those
    And every step is "completed"
    And the run is "completed"

  @RUN-7 @READ-2 @READ-3
  Scenario: Turns of one session are separate runs, newest first
    Given 3 runs of one session
    Then the session lists its runs newest first
    And pages of 2 list each of them once

  @RUN-3 @RUN-5
  Scenario: Of two paused runs of one session the one that is named goes on
    Given an approved run
    And a run of the same session that waits for approval
    When the run is resumed
    Then the run is "completed"
    And the other run of the session is "waiting_for_approval"

  @RUN-3 @RUN-4
  Scenario Outline: A session_id given for a run_id is answered with the way to the run
    Given a run that waits for approval
    When its session_id is given where its host <call>
    Then it is refused with "RunNotFound" naming "run_id"
    And the message names "list_runs_for_session"
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

  @RUN-4
  Scenario Outline: The way to a run is not shown to another tenant
    Given a run that waits for approval
    When its session_id is given where another tenant <call>
    Then it is refused with "RunNotFound" naming "run_id"
    And the message is the one for a run that never was

    Examples:
      | call        |
      | reads it    |
      | approves it |
      | resumes it  |

  @RUN-15 @ERROR-2
  Scenario Outline: A run that waits for no decision is not resumed, and says how it goes on
    Given <run>
    When it is resumed
    Then it is refused with "RunNotResumable" naming "run_id"
    And the message names "<next move>"
    And nothing changed
    And no handler was called

    Examples:
      | run                    | next move       |
      | a completed run        | start a new run |
      | a resumed run          | start a new run |
      | a cancelled run        | start a new run |
      | a failed run           | retry_run       |
      | a run with a queued step | run_pending   |

  @RUN-3
  Scenario: A run that never was is not resumed
    When a run that never was is resumed
    Then it is refused with "RunNotFound" naming "run_id"
    And nothing changed

  @RUN-14
  Scenario: Of two who resume at once, one wins and the handler runs once
    Given an approved run
    When two callers resume it at once
    Then one succeeds and the other is refused with "RunNotResumable"
    And the handler was called once

  @RUN-6 @JOURNAL-4
  Scenario Outline: Whoever acts on a run, it stays that of who started it
    Given <run>
    When on behalf of "operator-3" its host <call>
    Then the run kept its run_id, session_id, tenant_id and actor_id
    And the entry that begins that call names "operator-3"

    Examples:
      | run                      | call              |
      | an approved run          | resumes it        |
      | a failed run             | retries it        |
      | a run with a queued step | adds a step to it |
      | a run with a queued step | cancels it        |
      | a run without a step     | completes it      |

  @RUN-10 @ERROR-2
  Scenario Outline: A run with open work is not completed
    Given <run>
    When its host completes it
    Then it is refused with "TransitionRefused" naming "run_id"
    And nothing changed

    Examples:
      | run                           |
      | a run with a queued step      |
      | a run that waits for approval |
      | a failed run                  |

  @RUN-12
  Scenario: A cancelled run withdraws its request and cancels its steps
    Given a run that waits for approval
    When another step is queued in it
    And the run is cancelled
    Then the run is "cancelled"
    And every step is "cancelled"
    And the approval is "withdrawn"
    When it is approved
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And nothing changed

  @RUN-13 @ERROR-2
  Scenario Outline: Nothing changes a run that has ended
    Given <run>
    Then nothing of it is open
    When its host <call>
    Then nothing changed
    And no handler was called

    Examples:
      | run             | call                      |
      | a resumed run   | approves it               |
      | a resumed run   | rejects it                |
      | a resumed run   | resumes it                |
      | a resumed run   | retries it                |
      | a resumed run   | cancels it                |
      | a resumed run   | completes it              |
      | a resumed run   | adds a step to it         |
      | a resumed run   | runs what is queued in it |
      | a cancelled run | approves it               |
      | a cancelled run | rejects it                |
      | a cancelled run | resumes it                |
      | a cancelled run | retries it                |
      | a cancelled run | cancels it                |
      | a cancelled run | completes it              |
      | a cancelled run | adds a step to it         |
      | a cancelled run | runs what is queued in it |

  @RUN-13
  Scenario Outline: A run that ends early leaves none of its steps open
    Given <run>
    When a step is added behind the others
    And its host <call>
    Then nothing of it is open

    Examples:
      | run                              | call       |
      | a run that waits for approval    | rejects it |
      | a run that waits for approval    | cancels it |
      | an approved run                  | cancels it |
      | a run whose step is "queued"     | cancels it |
      | a run whose step is "running"    | cancels it |
      | a run whose handoff is "pending" | cancels it |
      | a run whose handoff is "running" | cancels it |

  @RUN-16
  Scenario: The same idempotency key starts one run
    When a run is started with the idempotency key "order-7"
    And it is started again with the same arguments
    Then both calls returned one run
    And the handler was called once
    And nothing changed

  @RUN-17 @ERROR-2
  Scenario Outline: An idempotency key is not used again for something else
    When a run is started with the idempotency key "order-7"
    And it is started again with <something else>
    Then it is refused with "IdempotencyConflict" naming "idempotency_key"
    And nothing changed
    And no handler was called

    Examples:
      | something else    |
      | other metadata    |
      | another step      |
      | no step           |
      | another root role |
      | another actor     |
      | another session   |

  @RUN-17 @ERROR-2
  Scenario Outline: An idempotency key is not used again, whatever became of its run
    When a run that becomes "<status>" is started with the idempotency key "order-7"
    And it is started again with another root role
    Then it is refused with "IdempotencyConflict" naming "idempotency_key"
    And nothing changed

    Examples:
      | status               |
      | running              |
      | waiting_for_approval |
      | failed               |
      | cancelled            |

  @RUN-16
  Scenario Outline: The same idempotency key returns its run, whatever became of that
    When a run that becomes "<status>" is started with the idempotency key "order-7"
    And it is started again with the same arguments
    Then both calls returned one run
    And nothing changed

    Examples:
      | status               |
      | running              |
      | waiting_for_approval |
      | failed               |
      | cancelled            |

  @RUN-18
  Scenario: Two starts at once with one idempotency key are one run
    When two callers start a run with the idempotency key "order-7" at once
    Then both of them got one run
    And the handler was called once

  @APPROVAL-3 @APPROVAL-4
  Scenario: A paused run shows exactly what is to be approved
    When a run is started with a step whose handler asks for approval
    Then the run is "waiting_for_approval"
    And its pending approval names the tool, the arguments, their digest and the reason

  @APPROVAL-4
  Scenario: A run waits exactly while one of its steps waits for one approval
    Given a run that waits for approval for 60 seconds
    Then the run and one step wait for one approval
    When "reviewer-7" approves it with the note "ok"
    Then the run and one step wait for one approval
    When the run is resumed by a handler that asks again
    Then the run and one step wait for one approval
    When 60 seconds pass
    Then the run and one step wait for one approval
    When the run is resumed by a handler that answers "Completed"
    Then neither the run nor a step waits

  @RUN-5 @RUN-6 @STEP-3 @APPROVAL-5 @APPROVAL-9
  Scenario: An approved run is resumed by its run_id
    Given a run that waits for approval
    When 30 seconds pass
    And "reviewer-7" approves it with the note "ok"
    Then the approval is "approved" by "reviewer-7" with the note "ok"
    When the run is resumed
    Then the run is "completed"
    And the run kept its run_id, session_id, tenant_id and actor_id
    And the handler got the arguments that were approved

  @APPROVAL-5 @APPROVAL-10
  Scenario: A rejected run is cancelled
    Given a run that waits for approval
    When 30 seconds pass
    And "reviewer-7" rejects it with the note "too risky"
    Then the approval is "rejected" by "reviewer-7" with the note "too risky"
    And the run is "cancelled"
    And its step is "cancelled"
    And its journal says that it was rejected because "too risky"

  @APPROVAL-10
  Scenario Outline: What was rejected never runs again
    Given a rejected run
    When its host <call>
    Then no handler was called
    And its step is "cancelled"

    Examples:
      | call                      |
      | resumes it                |
      | retries it                |
      | adds a step to it         |
      | runs what is queued in it |

  @APPROVAL-11 @APPROVAL-13
  Scenario: An expired approval authorises nothing
    Given a run that waits for approval for 60 seconds
    When 60 seconds pass
    Then the approval is "expired"
    And the session lists the run with nothing to decide
    When it is approved
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And nothing changed
    When it is rejected
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And nothing changed
    When the run is resumed
    Then the handler saw the approval as "expired"
    And the run is "waiting_for_approval"
    And its pending approval is a new one

  @APPROVAL-16
  Scenario: A yes that nobody used in time authorises nothing
    Given a run that waits for approval for 60 seconds
    When "reviewer-7" approves it with the note "ok"
    And 60 seconds pass
    Then the approval is "expired"
    When the run is resumed
    Then the handler saw the approval as "expired"
    And the run is "waiting_for_approval"
    And its pending approval is a new one
    And its journal tells that the approval expired after "reviewer-7" had approved it

  @APPROVAL-16
  Scenario: A yes whose step was queued too long authorises nothing
    Given a run that waits for approval for 60 seconds
    When "reviewer-7" approves it with the note "ok"
    And the run is resumed without a handler
    And 60 seconds pass
    And its host runs what is queued in it
    Then the handler saw the approval as "expired"
    And the run is "waiting_for_approval"

  @APPROVAL-16
  Scenario: A yes that was used in time stays
    Given a run that waits for approval for 60 seconds
    When 59 seconds pass
    And "reviewer-7" approves it with the note "ok"
    And the run is resumed
    And 60 seconds pass
    Then the handler saw the approval as "approved"
    And the approval is "approved"
    And the run is "completed"

  @APPROVAL-17
  Scenario: A run that a person has decided on waits for its host
    Given a run that waits for approval for 60 seconds
    When "reviewer-7" approves it with the note "ok"
    And 60 seconds pass
    And its host runs what is queued in it
    Then the run is "waiting_for_approval"
    And no handler was called

  @APPROVAL-18 @JOURNAL-8
  Scenario: A host whose clock is behind decides at the time of the last entry
    Given a run that waits for approval for 60 seconds
    When a host whose clock is 59 seconds ahead adds a step to it
    And "reviewer-7" approves it with the note "ok"
    Then it was approved at the time of the entry before

  @APPROVAL-18
  Scenario: What expired for a host whose clock is ahead has expired for all
    Given a run that waits for approval for 60 seconds
    When a host whose clock is 61 seconds ahead adds a step to it
    And it is approved
    Then it is refused with "ApprovalNotPending"
    And nothing changed

  @APPROVAL-18 @APPROVAL-16
  Scenario: A yes that expired for a host whose clock is ahead has expired for all
    Given a run that waits for approval for 60 seconds
    When "reviewer-7" approves it with the note "ok"
    And a host whose clock is 61 seconds ahead adds a step to it
    Then the approval is "expired"
    When the run is resumed
    Then the handler saw the approval as "expired"

  @APPROVAL-12
  Scenario Outline: The journal tells of an approval that expired with the next call that is accepted
    Given a run that waits for approval for 60 seconds
    When 60 seconds pass
    Then its journal does not tell yet that the approval expired
    When its host <call>
    Then its journal tells that the approval expired

    Examples:
      | call              |
      | resumes it        |
      | cancels it        |
      | adds a step to it |

  @APPROVAL-8 @ERROR-2
  Scenario: A run is not resumed before a person has decided
    Given a run that waits for approval
    When it is resumed
    Then it is refused with "ApprovalPending" naming "run_id"
    And nothing changed
    And no handler was called

  @APPROVAL-6 @ERROR-2
  Scenario Outline: A decision is made once
    Given <run>
    When it is <decided>
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And the refusal says who has decided, and when
    And nothing changed

    Examples:
      | run             | decided  |
      | an approved run | approved |
      | an approved run | rejected |
      | a rejected run  | approved |
      | a rejected run  | rejected |
      | a resumed run   | approved |
      | a resumed run   | rejected |
      | a cancelled run | approved |
      | a cancelled run | rejected |

  @APPROVAL-7
  Scenario: Of two who decide at once, one wins
    Given a run that waits for approval
    When two reviewers approve it at once
    Then one succeeds and the other is refused with "ApprovalNotPending"
    And one decision is on record

  @APPROVAL-7
  Scenario: Of one yes and one no at once, one is the decision
    Given a run that waits for approval
    When one reviewer approves it and another rejects it at once
    Then one succeeds and the other is refused with "ApprovalNotPending"
    And one decision is on record

  @APPROVAL-14 @ERROR-2
  Scenario Outline: A decision has somebody who made it
    Given a run that waits for approval
    When it is <decided> by nobody: <name>
    Then it is refused with "InvalidIdentity" naming "decided_by"
    And nothing changed

    Examples:
      | decided  | name    |
      | approved | missing |
      | approved | blank   |
      | approved | true    |
      | rejected | missing |
      | rejected | blank   |
      | rejected | a list  |

  @APPROVAL-15 @ERROR-2
  Scenario Outline: A decision about one run does not count for another
    Given a run of the same session that waits for approval
    And a run that waits for approval
    When it is <decided> with the approval_id of the other run
    Then it is refused with "ApprovalNotPending" naming "approval_id"
    And nothing changed
    And the message is the one for an approval that was never made

    Examples:
      | decided  |
      | approved |
      | rejected |

  @STORE-14 @durable
  Scenario: What is stored outlives the process
    Given a run that waits for approval
    When the store is closed and opened again
    Then the run is "waiting_for_approval"
    And its journal is what it was
    When "reviewer-7" approves it with the note "after the restart"
    And the run is resumed
    Then the run is "completed"
    And the run kept its run_id, session_id, tenant_id and actor_id
