@adoption
Feature: Recovery: a step whose process died is not stuck, and a live one is not taken
  A claim holds for the length of its lease, and for as long as its process renews it. Whoever finds
  that it has ended may take the step over; the handler that comes back late is not heard.

  @STEP-18
  Scenario: A step whose process died goes on when its lease has ended
    Given a run whose process died in its handler
    When the lease of its step has almost ended
    And what is queued is run with a handler that answers "Completed"
    Then its step is "running"
    When the lease of its step has ended
    And what is queued is run with a handler that answers "Completed"
    Then the run is "completed"
    And its step was released, and is in its attempt 2

  @STEP-18
  Scenario: A store that one process owns gives up the steps of a dead process when it is opened
    Given a run whose process died in its handler
    When the process that owns the store recovers it
    Then its step is "queued"
    And its step was released, and is in its attempt 2

  @STEP-19
  Scenario: A handler that takes longer than its lease keeps its step
    When a run is started whose handler takes longer than its lease, and others look for work
    Then the run is "completed"
    And its handler was entered once, and no other took the step

  @STEP-19
  Scenario: A lease that was renewed is not taken
    Given a run whose process died in its handler
    And its lease was renewed by another process just now
    When the lease of its step has ended
    And its step is run with a handler that answers "Completed"
    Then its step is "running"

  @STEP-19
  Scenario: A change of the run does not end the lease of its step
    Given a run whose process died in its handler
    When the lease of its step has almost ended
    And another host adds a step
    And what is queued is run with a handler that answers "Completed"
    Then its first step is "running"

  @STEP-19
  Scenario: A call that is interrupted gives back no claim but its own
    When a call that adds a step is interrupted while the first one's handler is at work
    Then the handler was entered once, and its step completed in its attempt 1

  @STEP-20
  Scenario: A step that takes its processes with it fails in the end
    Given a run whose process died in its handler
    When its next 2 processes die as well
    Then the run is "failed"
    And its step failed as its worker was silent, in its attempt 3

  @STEP-20
  Scenario: A step that takes with it each process that owns the store fails in the end
    Given a run whose process died in its handler
    When its next 2 processes own the store, recover it and die as well
    Then the run is "failed"
    And its step failed as its worker was silent, in its attempt 3

  @STEP-21
  Scenario: A step that declares a retry is tried again, later each time
    When a run is started with a step retried after 10 seconds, and then after 30
    And its handler raises an exception the first 2 times
    Then its handler was entered at 0, 10 and 40 seconds
    And the run is "completed"

  @STEP-21
  Scenario: After its last attempt a step that declares a retry fails
    When a run is started with a step retried after 10 seconds, and then after 30
    And its handler raises an exception the first 3 times
    Then its handler was entered at 0, 10 and 40 seconds
    And the run is "failed"

  @STEP-22
  Scenario: All attempts of a step have one idempotency key, and no other step has it
    When a run is started with a step retried after 10 seconds, and then after 30
    And its handler raises an exception the first 2 times, while another step waits behind it
    And a run is started with a step whose handler answers "Completed"
    Then the attempts of the first step had one idempotency key, and each other step its own

  @STEP-22
  Scenario: A delegated step has an idempotency key of its own
    When a run is started with a step whose handler hands on what it picked
    Then each step had an idempotency key of its own

  @STEP-23
  Scenario: A host that queues its steps leaves them to a worker
    When a run is started by a host that queues its steps
    Then its handler was not entered
    And its step is "queued"
    When what is queued is run with a handler that answers "Completed"
    Then the run is "completed"

  @STEP-23
  Scenario: A host that uses threads has its call answered first
    When a run is started by a host that carries out steps on threads
    Then the call returned before its handler did
    And the run is "completed" soon after

  @STEP-24
  Scenario: The tenants take turns
    Given 3 queued runs of "tenant-1", 2 of "tenant-2" and 1 of "tenant-3", in that order
    Then pending runs are listed with the tenants in turns, and any limit returns the first of them

  @STEP-25
  Scenario: A request that expired is put anew by whoever runs what is pending
    Given a run that waits for an approval which expires after 60 seconds
    When 60 seconds pass
    And what is queued is run with a handler that asks for approval
    Then the run is "waiting_for_approval"
    And its first request is expired, and it has made another

  @STEP-25
  Scenario: A request that expired waits for whoever has a handler for its step
    Given a run that waits for an approval which expires after 60 seconds
    When 60 seconds pass
    And what is queued is run without a handler
    Then the run is "waiting_for_approval"
