@runtime_to_handoff
Feature: Runtime to handoff: one role gives another a narrow slice of work
  A draft that needs a bounded review branches from the same identity. The host picks the facts;
  Scoria checks, stores and shows them.

  @host @HOST-7 @HOST-13
  Scenario: A draft branches into a bounded handoff
    Given a user signed in to the host
    When the user starts a turn with the prompt "May I return the blue kettle?"
    And the user submits a draft that needs no review
    And the user submits another draft that needs a review
    And the user submits a draft that needs a review
    Then the draft started one run and its review another
    And the evidence page of the review shows "Delegated Evidence" from "planner" to "critic"
    And "Delegated Evidence" has the draft, and nothing of the user, the session or other turns

  @host @HOST-7
  Scenario: A draft that needs no review starts one run
    Given a user signed in to the host
    When the user submits a draft that needs no review
    Then the draft started one run and no review

  @host @HOST-7 @HOST-8
  Scenario: A draft is taken from whoever is signed in
    Given everybody in the host, each with a run that waits for approval
    Then whoever is signed in submits a draft, and a visitor does not

  @HANDOFF-3 @HANDOFF-8 @HANDOFF-12
  Scenario: A handoff is recorded in the run of its root role
    When a handoff run is started
    Then the run is "completed"
    And its first step is a completed "handoff" of "planner"
    And its second step is a "completed" "review" of "critic" whose parent is the first
    And the detail shows the handoff with its input, context and tags
    And the handoff is "completed" and its child "completed"
    And the run is still that of "planner"

  @HANDOFF-7 @STEP-4
  Scenario: A child without a handler stays queued
    When a handoff run is started without a handler
    Then the run is "running"
    And the handoff is "pending" and its child "queued"
    When what is queued is run with a handler that answers "Completed"
    Then the handoff is "completed" and its child "completed"

  @HANDOFF-10
  Scenario: The child gets the narrow slice and nothing else
    When a handoff run is started
    Then the handler got the input and the projected context of the handoff

  @HANDOFF-10
  Scenario: The child of a handler's handoff gets nothing of the step that handed off
    When a run is started with a step whose handler hands on what it picked
    Then the child got what was picked and nothing else of the run
    And the run is "completed"

  @HANDOFF-10
  Scenario: The child of a child gets nothing that its parent was given
    When a handoff run is started whose child hands on what it picked
    Then the child got what was picked and nothing else of the run
    And the run is "completed"

  @HANDOFF-7
  Scenario: A child may pause for approval
    When a handoff run is started whose child asks for approval
    Then the run is "waiting_for_approval"
    And the handoff is "running" and its child "waiting_for_approval"
    When "reviewer-7" approves it with the note "ok"
    And the run is resumed
    Then the handoff is "completed" and its child "completed"
    And the run is "completed"

  @HANDOFF-7
  Scenario: A child that is queued again after a decision is still running to its handoff
    When a handoff run is started whose child asks for approval
    And "reviewer-7" approves it with the note "ok"
    And the run is resumed without a handler
    Then the run is "running"
    And the handoff is "running" and its child "queued"
    When what is queued is run with a handler that answers "Completed"
    Then the handoff is "completed" and its child "completed"

  @HANDOFF-7 @STEP-16
  Scenario: A child that is stopped from outside waits again, and its handoff with it
    When a handoff run is started whose child is stopped from outside
    Then the run is "running"
    And the handoff is "pending" and its child "queued"

  @HANDOFF-7 @RUN-11
  Scenario: A child that fails takes its handoff with it, until it is retried
    When a handoff run is started whose child raises
    Then the run is "failed"
    And the handoff is "failed" and its child "failed"
    When the run is retried with a handler that answers "Completed"
    Then the handoff is "completed" and its child "completed"
    And the run is "completed"

  @HANDOFF-7 @RUN-12
  Scenario: A cancelled run cancels its handoff
    When a handoff run is started without a handler
    And the run is cancelled
    Then the handoff is "cancelled" and its child "cancelled"
    And the run is "cancelled"

  @HANDOFF-8 @HANDOFF-9
  Scenario: A handler may hand off
    When a run is started with a step whose handler answers "HandOff"
    Then the run is "running"
    And the handoff is "pending" and its child "queued"
    And the parent of the child is the step that handed off
    And the run is still that of "executor"

  @HANDOFF-15 @HANDOFF-4 @HANDOFF-13
  Scenario Outline: A handler's handoff is held to the rules, and fails its step
    When a run is started with a step whose handler hands off <what is refused>
    Then the run is "failed"
    And its step failed with "<error>"

    Examples:
      | what is refused | error                  |
      | a transcript    | UnsafeProjectedContext |
      | to nobody       | InvalidHandoff         |
      | no kind         | InvalidHandoff         |
      | no input        | InvalidHandoff         |
      | no context      | InvalidHandoff         |

  @HANDOFF-11
  Scenario: Roles that hand to each other come to an end
    When a run is started with a step whose handler always hands on
    Then the run is "failed"
    And its last step failed with "InvalidHandoff"
    And 16 handoffs stand in a row

  @HANDOFF-4 @ERROR-2
  Scenario Outline: Nothing of a handoff is filled in
    When a handoff run is started without its <field>
    Then it is refused with "InvalidHandoff" naming "<field>"
    And nothing changed
    And no handler was called

    Examples:
      | field             |
      | root_role_id      |
      | delegated_role_id |
      | delegated_kind    |
      | handoff_input     |
      | projected_context |

  @HANDOFF-5
  Scenario: An empty context is a context
    When a handoff run is started with the context {}
    Then the run is "completed"
    And the handler got an empty context

  @HANDOFF-6
  Scenario: The context may be called scoped_context, but not both
    When a handoff run is started with its context as scoped_context
    Then the handler got the input and the projected context of the handoff
    When a handoff run is started with both names of the context
    Then it is refused with "InvalidHandoff" naming "scoped_context"
    And nothing changed
    And no handler was called

  @HANDOFF-13 @ERROR-2
  Scenario Outline: Broad runtime state and secrets are not projected
    When a handoff run is started with the context <context>
    Then it is refused with "UnsafeProjectedContext" naming "<path>"
    And nothing changed
    And no handler was called

    Examples:
      | context                                    | path                                        |
      | {"task": {"sessionState": {}}}             | projected_context.task.sessionState         |
      | {"facts": [{"a": 1}, {"API Key": "k"}]}    | projected_context.facts[1]['API Key']       |
      | {"aPiKeY": "k"}                            | projected_context.aPiKeY                    |
      | {"user_cookies": 1}                        | projected_context.user_cookies              |
      | {"socket_id": 1}                           | projected_context.socket_id                 |
      | {"dbPassword": "x"}                        | projected_context.dbPassword                |

  @HANDOFF-13
  Scenario: Every listed name is refused, in every spelling and at every depth
    When each of these is in the context of a handoff run, in every spelling and at every depth
      """
      access_token, api_key, assigns, authorization, chat_history, conversation_history,
      cookies, credentials, environ, headers, history, message_history, messages, passwd,
      password, private, provider_session, provider_state, refresh_token, request,
      runtime_state, secrets, session, session_state, socket, socket_state, token, transcript,
      transcripts, my_access_token, my_api_key, my_authorization, my_cookies, my_credentials,
      my_environ, my_headers, my_history, my_messages, my_passwd, my_password,
      my_provider_session, my_refresh_token, my_request, my_secrets, my_socket, my_token,
      my_transcript, provider_session_x, socket_x
      """
    Then each time it is refused with "UnsafeProjectedContext", naming where it is
    And nothing changed
    And no handler was called

  @HANDOFF-14
  Scenario Outline: A name that a host adds is refused in every spelling
    Given a host that adds "Price-List" to the names that are not projected
    When a handoff run is started with the context <context>
    Then it is refused with "UnsafeProjectedContext" naming "<path>"
    And nothing changed

    Examples:
      | context                       | path                              |
      | {"priceList": []}             | projected_context.priceList       |
      | {"facts": [{"PRICE_LIST": 1}]} | projected_context.facts[0].PRICE_LIST |

  @HANDOFF-14
  Scenario Outline: A host adds to the names that a context may not carry, and takes none away
    Given a host that adds "ledger" to the names that are not projected
    When a handoff run is started with the context <context>
    Then it is refused with "UnsafeProjectedContext" naming "<path>"
    And nothing changed

    Examples:
      | context                    | path                            |
      | {"ledger": []}             | projected_context.ledger        |
      | {"facts": [{"Ledger": 1}]} | projected_context.facts[0].Ledger |
      | {"transcript": "..."}      | projected_context.transcript    |
      | {"token": 1}               | projected_context.token         |

  @RUN-16 @RUN-17
  Scenario: The same idempotency key starts one handoff run
    When a handoff run is started with the idempotency key "draft-7"
    And the same handoff run is started again
    Then both calls returned one run
    And the handler was called once
    When the handoff run is started again with another context
    Then it is refused with "IdempotencyConflict" naming "idempotency_key"
    And nothing changed

  @TENANT-1
  Scenario: Another tenant does not see a handoff
    When a handoff run is started
    And another tenant inspects it
    Then it is refused with "RunNotFound" naming "run_id"
