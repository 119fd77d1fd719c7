@adoption
Feature: Handlers: the host's own code, one step at a time
  The kind of a step picks the handler of the host. Its claim is stored before it is entered, and
  what it answers before the call returns.

  @STEP-3 @STEP-6
  Scenario: A step is carried out before start returns
    When a run is started with a step whose handler answers "Completed"
    Then the run is "completed"
    And its step is "completed" with the result of the handler

  @STEP-4
  Scenario: A step without a handler stays queued until there is one
    When a run is started with a step that has no handler
    Then the run is "running"
    And its step is "queued"
    When what is queued is run with a handler that answers "Completed"
    Then the run is "completed"

  @STEP-4 @STEP-8
  Scenario: A queued step is carried out by the next call that brings its handler
    Given a run with a queued step
    When the host adds a step whose handler answers "Completed"
    Then the handler was called 2 times
    And it was called for the steps in their order
    And the run is "completed"

  @STEP-4
  Scenario: A step that another host queued is carried out by whoever looks
    Given a run without a step
    When another host queues a step in it
    And its step is run with a handler that answers "Completed"
    Then every step is "completed"

  @STEP-5
  Scenario Outline: A run and the claim of its step are on record before the handler is entered
    Given <run>
    When its host <call>, and the handler reads the run through a facade of its own
    Then that read the run as "running" and the step as "running"

    Examples:
      | run                      | call                      |
      | a run that is about to be | starts it                |
      | an approved run          | resumes it                |
      | a failed run             | retries it                |
      | a run without a step     | adds a step to it         |
      | a run with a queued step | runs what is queued in it |

  @STEP-6 @STEP-9
  Scenario Outline: What a handler answers is on record when the call returns
    When a run is started with a step whose handler answers "<answer>"
    Then its first step is "<status>"
    And what the handler said is on record as <record>

    Examples:
      | answer        | status               | record                         |
      | Completed     | completed            | the result {"answer": 42}      |
      | a mapping     | completed            | the result {"answer": 42}      |
      | None          | completed            | no result                      |
      | Failed        | failed               | the error "Failed: no stock"   |
      | NeedsApproval | waiting_for_approval | the request for "send_refund"  |
      | HandOff       | completed            | the handoff to "critic"        |

  @STEP-10
  Scenario Outline: Any other answer fails the step, and says what a handler may answer
    When a run is started with a step whose handler answers "<answer>"
    Then the run is "failed"
    And its step failed with "InvalidPayload"
    And the error names what a handler may answer

    Examples:
      | answer          |
      | a text          |
      | a number        |
      | true            |
      | a list          |
      | the class Completed |

  @STEP-11 @RUN-11 @STEP-3
  Scenario: A handler that raises fails its step, and the run is not lost
    When a run is started with a step whose handler raises
    Then the run is "failed"
    And its step is "failed" with the type and message of the error
    When the run is retried with a handler that answers "Completed"
    Then the run is "completed"
    And its step is "completed" at attempt 2

  @RUN-11
  Scenario: A retried step is queued again, with its next attempt
    Given a failed run
    When the run is retried without a handler
    Then the run is "running"
    And its step is "queued" at attempt 2

  @RUN-11
  Scenario: A run that failed in another host is retried here
    Given a run with a queued step
    When another host runs its step with a handler that answers "Failed"
    And the run is retried without a handler
    Then the run is "running"
    And its step is "queued" at attempt 2

  @STEP-7
  Scenario: No other step begins while one waits for a person
    Given a run that waits for approval
    When the host adds a step whose handler answers "Completed"
    And what is queued is run with a handler that answers "Completed"
    Then the handler was called once
    And its last step is "queued"
    And the run is "waiting_for_approval"

  @STEP-7
  Scenario: No other step begins while one is at work
    When a run is started whose handler adds a step and runs what is queued
    Then no step began while another was at work
    And it was called for the steps in their order
    And the run is "completed"

  @STEP-8
  Scenario: Steps run in the order in which they were added
    Given a run with a queued step
    When another step is queued in it
    And another step is queued in it
    And what is queued is run with a handler that answers "Completed"
    Then the handler was called 3 times
    And it was called for the steps in their order

  @STEP-8
  Scenario: A step does not overtake one that has no handler
    Given a run whose first step has no handler
    When the host adds a step whose handler answers "Completed"
    And what is queued is run with a handler that answers "Completed"
    Then no handler was called
    And every step is "queued"

  @STEP-8 @RUN-11
  Scenario: A step does not overtake one that failed, and a retry goes on with that one
    Given a run with a queued step
    When another step is queued in it
    And what is queued is run with a handler that answers "Failed"
    Then the run is "failed"
    And its last step is "queued"
    When its host runs what is queued in it
    Then no handler was called
    And nothing changed
    When the run is retried with a handler that answers "Completed"
    Then the handler was called 3 times
    And every step is "completed"
    And the run is "completed"

  @STEP-12
  Scenario Outline: A handler is given per call or to the facade, as it is or by its name
    When a run is started with a handler given <where>
    Then the run is "completed"
    And its step is "completed" with the result of the handler

    Examples:
      | where                                      |
      | to the call                                |
      | to the call by its name                    |
      | to the facade                              |
      | to the facade by its name                  |
      | to the call, and one that raises to the facade |

  @STEP-13 @ERROR-2
  Scenario Outline: A handler that cannot be found or called is refused before anything is written
    Given <run>
    When its host <call> with the handler <handler>
    Then it is refused with "UnknownHandler" naming "<field>"
    And nothing changed
    And no handler was called

    Examples:
      | run                       | call                      | handler                        | field            |
      | a run that is about to be | starts it                 | no_such_module:function        | handlers['work'] |
      | a run that is about to be | starts it                 | scoria_conformance.world:no_such | handlers['work'] |
      | a run that is about to be | starts it                 | scoria_conformance.world.completed | handlers['work'] |
      | a run that is about to be | starts it                 | scoria_conformance.world:TENANT | handlers['work'] |
      | a run that is about to be | starts it                 | 7                              | handlers['work'] |
      | a run that is about to be | hands it off              | no_such_module:function        | handlers['work'] |
      | an approved run           | resumes it                | no_such_module:function        | handlers['work'] |
      | a failed run              | retries it                | no_such_module:function        | handlers['work'] |
      | a run with a queued step  | adds a step to it         | no_such_module:function        | handlers['work'] |
      | a run with a queued step  | runs what is queued in it | no_such_module:function        | handlers['work'] |

  @STEP-13 @STEP-23 @ERROR-2
  Scenario Outline: A host whose steps others carry out refuses such a handler as well
    Given <run>
    And a host whose steps are carried out by <others>
    When its host <call> with the handler no_such_module:function
    Then it is refused with "UnknownHandler" naming "handlers['work']"
    And nothing changed

    Examples:
      | run                       | call                      | others  |
      | a run that is about to be | starts it                 | a queue |
      | a run that is about to be | starts it                 | threads |
      | a run that is about to be | hands it off              | a queue |
      | an approved run           | resumes it                | a queue |
      | an approved run           | resumes it                | threads |
      | a failed run              | retries it                | a queue |
      | a run with a queued step  | adds a step to it         | a queue |
      | a run with a queued step  | runs what is queued in it | a queue |

  @STEP-14
  Scenario: A handler that is a coroutine function is awaited
    When a run is started with a step whose handler is a coroutine function
    Then the run is "completed"
    And its step is "completed" with the result of the handler

  @STEP-38 @ERROR-2
  Scenario: A coroutine function is refused by a call that blocks an event loop
    Given a run that is about to be
    When its host starts it within an event loop with a handler that is a coroutine function
    Then it is refused with "AsyncHandlerRefused" naming "handlers['work']"
    And nothing changed
    And no handler was called

  @STEP-38
  Scenario: A plain function is called by a call that blocks an event loop
    Given a run that is about to be
    When its host starts it within an event loop with a handler that is a plain function
    Then its host was answered that the run is "completed"

  @STEP-15
  Scenario: What a handler answers after its run was cancelled is not recorded
    When a run is started whose handler cancels the run before it answers
    Then the run is "cancelled"
    And its step is "cancelled"
    And the last entry of its journal is "run_cancelled"

  @STEP-15
  Scenario: What a handler answers after its step was given to another attempt is not recorded
    When a run is started whose handler answers after its step was given to another attempt
    Then the run is "running"
    And its step is "running" at attempt 2

  @STEP-16
  Scenario: A step whose handler is stopped from outside goes back to the queue
    When a run is started with a step whose handler is stopped from outside
    Then the run is "running"
    And its step is "queued" at attempt 2
    When what is queued is run with a handler that answers "Completed"
    Then the run is "completed"
    And its step is "completed" at attempt 2

  @STEP-30
  Scenario Outline: A handler that would end its process fails its step
    When a run is started, and the handler of its step <does>
    Then the run is "failed"
    And its step failed with "<error>"

    Examples:
      | does                    | error             |
      | leaves the process      | SystemExit        |
      | raises what Ctrl-C does | KeyboardInterrupt |

  @STEP-31
  Scenario: An interrupt between a claim and its handler gives the step back
    When a run is started whose host is interrupted once the claim of its step is stored
    Then no handler was called
    And its step is "queued" at attempt 2
    When what is queued is run with a handler that answers "Completed"
    Then the run is "completed"

  @STEP-32 @STEP-33
  Scenario Outline: What is final is not tried again
    When a run is started with a step that is retried, and its handler <does>
    Then the run is "failed"
    And the handler was called once
    And its step failed with "<error>"

    Examples:
      | does                                  | error          |
      | answers what cannot be stored         | InvalidPayload |
      | says that it is not to be tried again | DoNotRetry     |
      | raises what its step excludes         | LookupError    |

  @STEP-34
  Scenario: The error of a step says what led to it
    When a run is started, and the handler of its step raises two exceptions at once
    Then its error is a "ExceptionGroup" whose cause names "ValueError: bad", "LookupError: no rates", "ConnectionError: no route", "third server"

  @STEP-35
  Scenario: A coroutine that takes longer than its step allows is cancelled
    When a run is started with a step of a time limit whose coroutine takes longer
    Then the run is "failed"
    And its step failed with "TimeLimitExceeded"

  @STEP-36
  Scenario: A handler that cannot be cancelled is failed meanwhile, and its answer is not recorded
    When a run is started with a step of a time limit whose handler returns after it was failed
    Then the run is "failed"
    And the handler was called once
    And its step failed with "TimeLimitExceeded"

  @STEP-37
  Scenario: The steps that follow an answer are queued with it
    When a run is started with a step whose handler answers with two steps that follow
    Then the handler was called 3 times
    And it was called for the steps in their order
    And the steps that follow were queued in the commit of that answer
    And the run is "completed"

  @STEP-17 @ERROR-2
  Scenario Outline: A run that failed or ended takes no other step
    Given <run>
    When its host adds a step to it
    Then it is refused with "TransitionRefused" naming "run_id"
    And nothing changed
    And no handler was called

    Examples:
      | run             |
      | a failed run    |
      | a completed run |
      | a cancelled run |
