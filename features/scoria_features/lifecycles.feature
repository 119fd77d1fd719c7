# Made from scoria_core/lifecycles.py by `make spec`, not by hand.
@lifecycles
Feature: Lifecycles: what is declared happens, and nothing else does
  Every state of a run, step, approval and handoff meets every trigger of its lifecycle. A move
  that is declared lands by one entry of the journal; any other is refused and changes nothing.

  @RUN-1
  Scenario: A run begins running
    Given a run that is "running"
    Then the first entry about the run has it "running", from no state

  @RUN-1
  Scenario Outline: A run moves as its lifecycle declares
    Given a run that is "<state>"
    When the run is told to <trigger>
    Then the run is "<reached>" by one entry of the journal
    And no handler was called

    Examples:
      | state                | trigger          | reached              |
      | running              | request_approval | waiting_for_approval |
      | waiting_for_approval | resume           | running              |
      | waiting_for_approval | reject           | cancelled            |
      | running              | complete         | completed            |
      | running              | fail             | failed               |
      | failed               | retry            | running              |
      | running              | cancel           | cancelled            |
      | waiting_for_approval | cancel           | cancelled            |
      | failed               | cancel           | cancelled            |

  @RUN-2
  Scenario Outline: A run refuses what its lifecycle does not declare
    Given a run that is "<state>"
    When the run is told to <trigger>
    Then it is refused with "TransitionRefused"
    And the refusal names the subject, its state and the trigger
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state                | trigger          |
      | running              | resume           |
      | running              | reject           |
      | running              | retry            |
      | waiting_for_approval | request_approval |
      | waiting_for_approval | complete         |
      | waiting_for_approval | fail             |
      | waiting_for_approval | retry            |
      | completed            | request_approval |
      | completed            | resume           |
      | completed            | reject           |
      | completed            | complete         |
      | completed            | fail             |
      | completed            | retry            |
      | completed            | cancel           |
      | failed               | request_approval |
      | failed               | resume           |
      | failed               | reject           |
      | failed               | complete         |
      | failed               | fail             |
      | cancelled            | request_approval |
      | cancelled            | resume           |
      | cancelled            | reject           |
      | cancelled            | complete         |
      | cancelled            | fail             |
      | cancelled            | retry            |
      | cancelled            | cancel           |

  @RUN-1
  Scenario Outline: A run is moved by a call
    Given a run that is "<state>"
    When the host calls <call> without a handler
    Then the run was told to <trigger> once, and is "<reached>"

    Examples:
      | state                | trigger  | reached   | call                   |
      | waiting_for_approval | resume   | running   | approve and resume_run |
      | waiting_for_approval | reject   | cancelled | reject                 |
      | running              | complete | completed | complete_run           |
      | failed               | retry    | running   | retry_run              |
      | running              | cancel   | cancelled | cancel_run             |
      | waiting_for_approval | cancel   | cancelled | cancel_run             |
      | failed               | cancel   | cancelled | cancel_run             |

  @RUN-2
  Scenario Outline: A run is not moved by a call out of place
    Given a run that is "<state>"
    When the host calls <call> with its handlers
    Then it is refused with "<error>"
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state                | trigger  | call         | error              |
      | running              | resume   | resume_run   | RunNotResumable    |
      | running              | reject   | reject       | ApprovalNotPending |
      | running              | retry    | retry_run    | TransitionRefused  |
      | waiting_for_approval | complete | complete_run | TransitionRefused  |
      | waiting_for_approval | retry    | retry_run    | TransitionRefused  |
      | completed            | resume   | resume_run   | RunNotResumable    |
      | completed            | reject   | reject       | ApprovalNotPending |
      | completed            | complete | complete_run | TransitionRefused  |
      | completed            | retry    | retry_run    | TransitionRefused  |
      | completed            | cancel   | cancel_run   | TransitionRefused  |
      | failed               | resume   | resume_run   | RunNotResumable    |
      | failed               | reject   | reject       | ApprovalNotPending |
      | failed               | complete | complete_run | TransitionRefused  |
      | cancelled            | resume   | resume_run   | RunNotResumable    |
      | cancelled            | reject   | reject       | ApprovalNotPending |
      | cancelled            | complete | complete_run | TransitionRefused  |
      | cancelled            | retry    | retry_run    | TransitionRefused  |
      | cancelled            | cancel   | cancel_run   | TransitionRefused  |

  @STEP-1
  Scenario: A step begins queued
    Given a run whose step is "queued"
    Then the first entry about the step has it "queued", from no state

  @STEP-1
  Scenario Outline: A step moves as its lifecycle declares
    Given a run whose step is "<state>"
    When the step is told to <trigger>
    Then the step is "<reached>" by one entry of the journal
    And no handler was called

    Examples:
      | state                | trigger          | reached              |
      | queued               | claim            | running              |
      | running              | complete         | completed            |
      | running              | fail             | failed               |
      | running              | request_approval | waiting_for_approval |
      | waiting_for_approval | resume           | queued               |
      | running              | release          | queued               |
      | failed               | retry            | queued               |
      | queued               | cancel           | cancelled            |
      | running              | cancel           | cancelled            |
      | waiting_for_approval | cancel           | cancelled            |
      | failed               | cancel           | cancelled            |

  @STEP-2
  Scenario Outline: A step refuses what its lifecycle does not declare
    Given a run whose step is "<state>"
    When the step is told to <trigger>
    Then it is refused with "TransitionRefused"
    And the refusal names the subject, its state and the trigger
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state                | trigger          |
      | queued               | complete         |
      | queued               | fail             |
      | queued               | request_approval |
      | queued               | resume           |
      | queued               | release          |
      | queued               | retry            |
      | running              | claim            |
      | running              | resume           |
      | running              | retry            |
      | waiting_for_approval | claim            |
      | waiting_for_approval | complete         |
      | waiting_for_approval | fail             |
      | waiting_for_approval | request_approval |
      | waiting_for_approval | release          |
      | waiting_for_approval | retry            |
      | completed            | claim            |
      | completed            | complete         |
      | completed            | fail             |
      | completed            | request_approval |
      | completed            | resume           |
      | completed            | release          |
      | completed            | retry            |
      | completed            | cancel           |
      | failed               | claim            |
      | failed               | complete         |
      | failed               | fail             |
      | failed               | request_approval |
      | failed               | resume           |
      | failed               | release          |
      | cancelled            | claim            |
      | cancelled            | complete         |
      | cancelled            | fail             |
      | cancelled            | request_approval |
      | cancelled            | resume           |
      | cancelled            | release          |
      | cancelled            | retry            |
      | cancelled            | cancel           |

  @STEP-1
  Scenario Outline: A step is moved by a call
    Given a run whose step is "<state>"
    When the host calls <call> without a handler
    Then the step was told to <trigger> once, and is "<reached>"

    Examples:
      | state                | trigger | reached   | call                   |
      | waiting_for_approval | resume  | queued    | approve and resume_run |
      | failed               | retry   | queued    | retry_run              |
      | queued               | cancel  | cancelled | cancel_run             |
      | running              | cancel  | cancelled | cancel_run             |
      | waiting_for_approval | cancel  | cancelled | cancel_run             |
      | failed               | cancel  | cancelled | cancel_run             |

  @STEP-2
  Scenario Outline: A step is not moved by a call out of place
    Given a run whose step is "<state>"
    When the host calls <call> with its handlers
    Then it is refused with "<error>"
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state                | trigger | call       | error             |
      | queued               | resume  | resume_run | RunNotResumable   |
      | queued               | retry   | retry_run  | TransitionRefused |
      | running              | resume  | resume_run | RunNotResumable   |
      | running              | retry   | retry_run  | TransitionRefused |
      | waiting_for_approval | retry   | retry_run  | TransitionRefused |
      | completed            | resume  | resume_run | RunNotResumable   |
      | completed            | retry   | retry_run  | TransitionRefused |
      | completed            | cancel  | cancel_run | TransitionRefused |
      | failed               | resume  | resume_run | RunNotResumable   |
      | cancelled            | resume  | resume_run | RunNotResumable   |
      | cancelled            | retry   | retry_run  | TransitionRefused |
      | cancelled            | cancel  | cancel_run | TransitionRefused |

  @APPROVAL-1
  Scenario: An approval begins pending
    Given a run whose approval is "pending"
    Then the first entry about the approval has it "pending", from no state

  @APPROVAL-1
  Scenario Outline: An approval moves as its lifecycle declares
    Given a run whose approval is "<state>"
    When the approval is told to <trigger>
    Then the approval is "<reached>" by one entry of the journal
    And no handler was called

    Examples:
      | state    | trigger  | reached   |
      | pending  | endorse  | pending   |
      | pending  | remind   | pending   |
      | pending  | approve  | approved  |
      | pending  | reject   | rejected  |
      | pending  | expire   | expired   |
      | approved | expire   | expired   |
      | pending  | withdraw | withdrawn |

  @APPROVAL-2
  Scenario Outline: An approval refuses what its lifecycle does not declare
    Given a run whose approval is "<state>"
    When the approval is told to <trigger>
    Then it is refused with "TransitionRefused"
    And the refusal names the subject, its state and the trigger
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state     | trigger  |
      | approved  | endorse  |
      | approved  | remind   |
      | approved  | approve  |
      | approved  | reject   |
      | approved  | withdraw |
      | rejected  | endorse  |
      | rejected  | remind   |
      | rejected  | approve  |
      | rejected  | reject   |
      | rejected  | expire   |
      | rejected  | withdraw |
      | expired   | endorse  |
      | expired   | remind   |
      | expired   | approve  |
      | expired   | reject   |
      | expired   | expire   |
      | expired   | withdraw |
      | withdrawn | endorse  |
      | withdrawn | remind   |
      | withdrawn | approve  |
      | withdrawn | reject   |
      | withdrawn | expire   |
      | withdrawn | withdraw |

  @APPROVAL-1
  Scenario Outline: An approval is moved by a call
    Given a run whose approval is "<state>"
    When the host calls <call> without a handler
    Then the approval was told to <trigger> once, and is "<reached>"

    Examples:
      | state   | trigger  | reached   | call       |
      | pending | approve  | approved  | approve    |
      | pending | reject   | rejected  | reject     |
      | pending | withdraw | withdrawn | cancel_run |

  @APPROVAL-2
  Scenario Outline: An approval is not moved by a call out of place
    Given a run whose approval is "<state>"
    When the host calls <call> with its handlers
    Then it is refused with "<error>"
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state     | trigger | call    | error              |
      | approved  | approve | approve | ApprovalNotPending |
      | approved  | reject  | reject  | ApprovalNotPending |
      | rejected  | approve | approve | ApprovalNotPending |
      | rejected  | reject  | reject  | ApprovalNotPending |
      | expired   | approve | approve | ApprovalNotPending |
      | expired   | reject  | reject  | ApprovalNotPending |
      | withdrawn | approve | approve | ApprovalNotPending |
      | withdrawn | reject  | reject  | ApprovalNotPending |

  @APPROVAL-1
  Scenario Outline: An approval by two people is endorsed by the first yes
    Given a run whose approval by two people is "<state>"
    When the host calls <call> without a handler
    Then the approval was told to <trigger> once, and is "<reached>"

    Examples:
      | state   | trigger | reached | call    |
      | pending | endorse | pending | approve |

  @APPROVAL-2
  Scenario Outline: An approval by two people is not endorsed out of place
    Given a run whose approval by two people is "<state>"
    When the host calls <call> with its handlers
    Then it is refused with "<error>"
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state     | trigger | call    | error              |
      | approved  | endorse | approve | ApprovalNotPending |
      | rejected  | endorse | approve | ApprovalNotPending |
      | expired   | endorse | approve | ApprovalNotPending |
      | withdrawn | endorse | approve | ApprovalNotPending |

  @HANDOFF-1
  Scenario: A handoff begins pending
    Given a run whose handoff is "pending"
    Then the first entry about the handoff has it "pending", from no state

  @HANDOFF-1
  Scenario Outline: A handoff moves as its lifecycle declares
    Given a run whose handoff is "<state>"
    When the handoff is told to <trigger>
    Then the handoff is "<reached>" by one entry of the journal
    And no handler was called

    Examples:
      | state   | trigger  | reached   |
      | pending | start    | running   |
      | running | complete | completed |
      | running | fail     | failed    |
      | running | release  | pending   |
      | failed  | retry    | pending   |
      | pending | cancel   | cancelled |
      | running | cancel   | cancelled |
      | failed  | cancel   | cancelled |

  @HANDOFF-2
  Scenario Outline: A handoff refuses what its lifecycle does not declare
    Given a run whose handoff is "<state>"
    When the handoff is told to <trigger>
    Then it is refused with "TransitionRefused"
    And the refusal names the subject, its state and the trigger
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state     | trigger  |
      | pending   | complete |
      | pending   | fail     |
      | pending   | release  |
      | pending   | retry    |
      | running   | start    |
      | running   | retry    |
      | completed | start    |
      | completed | complete |
      | completed | fail     |
      | completed | release  |
      | completed | retry    |
      | completed | cancel   |
      | failed    | start    |
      | failed    | complete |
      | failed    | fail     |
      | failed    | release  |
      | cancelled | start    |
      | cancelled | complete |
      | cancelled | fail     |
      | cancelled | release  |
      | cancelled | retry    |
      | cancelled | cancel   |

  @HANDOFF-1
  Scenario Outline: A handoff is moved by a call
    Given a run whose handoff is "<state>"
    When the host calls <call> without a handler
    Then the handoff was told to <trigger> once, and is "<reached>"

    Examples:
      | state   | trigger | reached   | call       |
      | failed  | retry   | pending   | retry_run  |
      | pending | cancel  | cancelled | cancel_run |
      | running | cancel  | cancelled | cancel_run |
      | failed  | cancel  | cancelled | cancel_run |

  @HANDOFF-2
  Scenario Outline: A handoff is not moved by a call out of place
    Given a run whose handoff is "<state>"
    When the host calls <call> with its handlers
    Then it is refused with "<error>"
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was

    Examples:
      | state     | trigger | call       | error             |
      | pending   | retry   | retry_run  | TransitionRefused |
      | running   | retry   | retry_run  | TransitionRefused |
      | completed | retry   | retry_run  | TransitionRefused |
      | completed | cancel  | cancel_run | TransitionRefused |
      | cancelled | retry   | retry_run  | TransitionRefused |
      | cancelled | cancel  | cancel_run | TransitionRefused |
