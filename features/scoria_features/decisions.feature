@adoption
Feature: Decisions: what people may say to a request, and who may say it
  A step asks for one decision or for several. A person may change what is to be done, answer a
  question, or say no and let the work go on. Several people may have to agree.

  @APPROVAL-19 @APPROVAL-5 @APPROVAL-9
  Scenario Outline: What is approved may differ from what was proposed
    Given a run that asks for a decision <that>
    When "reviewer-7" approves request 1 with <arguments> arguments
    And the run is resumed
    Then the handler got the <arguments> arguments, and the proposed ones beside them
    And the journal tells both by their digests, and that "reviewer-7" decided

    Examples:
      | that                      | arguments |
      | to edit                   | edited    |
      | to edit within a schema   | edited    |
      | to edit within any schema | edited    |
      | to edit                   | proposed  |
      | as it is                  | proposed  |

  @APPROVAL-20
  Scenario Outline: An edit that the request does not allow decides nothing
    Given a run that asks for a decision <that>
    When request 1 is approved with <arguments> arguments
    Then it is refused with "InvalidPayload" naming "<field>"
    And nothing changed
    And no handler was called

    Examples:
      | that                    | arguments  | field            |
      | as it is                | edited     | arguments        |
      | to edit                 | oversized  | arguments        |
      | to edit within a schema | unfitting  | arguments.amount |

  @APPROVAL-5 @APPROVAL-6 @APPROVAL-9 @APPROVAL-11 @APPROVAL-16 @APPROVAL-17 @APPROVAL-19
  @APPROVAL-20 @APPROVAL-21 @APPROVAL-23 @APPROVAL-24 @APPROVAL-25 @APPROVAL-26 @APPROVAL-27
  @APPROVAL-29 @APPROVAL-30 @APPROVAL-31 @APPROVAL-32 @APPROVAL-33 @PAYLOAD-2 @READ-4 @seconds-300
  Scenario: What becomes of requests is what their clauses say, whatever is done in whatever order
    Then any story of a run is told as the reference tells it

  @APPROVAL-21
  Scenario: An answer is kept, and handed to the step
    Given a run that asks for a decision to answer
    When "reviewer-7" approves request 1 with a fitting answer
    And the run is resumed
    Then the handler got that answer, and the journal has it

  @APPROVAL-21
  Scenario Outline: An answer that is missing, not asked for or unfit decides nothing
    Given a run that asks for a decision <that>
    When request 1 is approved with <answer> answer
    Then it is refused with "InvalidPayload" naming "<field>"
    And nothing changed
    And no handler was called

    Examples:
      | that      | answer       | field         |
      | to answer | no           | answer        |
      | to answer | an unfitting | answer.choice |
      | as it is  | a fitting    | answer        |

  @APPROVAL-22 @STEP-32
  Scenario Outline: A schema that cannot be used fails its step at once
    When a run is started with a step that asks with a schema that <does>
    Then its step failed with "InvalidPayload"
    And nobody was asked

    Examples:
      | does                        |
      | is none                     |
      | refers to another document  |
      | may come to refer to one    |
      | is too large                |
      | has a pattern without bound |
      | has properties by pattern   |
      | is of another dialect       |
      | has one of another dialect  |
      | has a name of its own       |
      | refers to nothing in it     |
      | doubles at each of 60 steps |

  @APPROVAL-23
  Scenario: A no under "resume" lets the step go on
    Given a run that asks for a decision that goes on after a no
    When "reviewer-7" rejects request 1 with the note "not before Monday"
    Then the run is "waiting_for_approval"
    When the run is resumed
    Then the handler saw the requests as "rejected"
    And the handler saw the note "not before Monday"
    And the run is "completed"

  @APPROVAL-24 @APPROVAL-9 @APPROVAL-4
  Scenario Outline: Several requests are decided each by itself, in any order
    Given a run that asks for 3 decisions, one to edit, that go on after a no
    When they are decided in the order <order>: a yes, an edit and a no
    And the run is resumed
    Then the handler saw the requests as "approved, approved, rejected"
    And each of them has its own arguments, note and call_id
    And the run is "completed"

    Examples:
      | order   |
      | 1, 2, 3 |
      | 2, 3, 1 |
      | 3, 1, 2 |

  @APPROVAL-8 @APPROVAL-24
  Scenario: A run is not resumed while one of its requests is pending
    Given a run that asks for 3 decisions, one to edit, that go on after a no
    When "reviewer-7" approves request 1 with proposed arguments
    And "reviewer-8" rejects request 3 with the note "no"
    And it is resumed
    Then it is refused with "ApprovalPending"
    And nothing changed
    And no handler was called

  @APPROVAL-24
  Scenario Outline: A list is of 1 to 32 requests
    When a run is started with a step that asks for <count> decisions
    Then its step failed with "InvalidPayload"
    And nobody was asked

    Examples:
      | count |
      | 0     |
      | 33    |

  @APPROVAL-10 @APPROVAL-24
  Scenario: A no under "cancel" ends the run, whatever else was asked
    Given a run that asks for 4 decisions, of which one expires
    When "reviewer-7" approves request 1 with proposed arguments
    And 61 seconds pass
    And "reviewer-8" rejects request 2 with the note "no"
    Then the run is "cancelled"
    And its requests are "approved, rejected, expired, withdrawn"

  @APPROVAL-7 @APPROVAL-24
  Scenario: Those who decide different requests at once all succeed
    Given a run that asks for 3 decisions, one to edit, that go on after a no
    When three people approve a request each at once
    Then all of them succeed
    And its requests are "approved, approved, approved"

  @APPROVAL-25
  Scenario: Where several must agree, the last yes approves
    Given a run that asks for a decision by 3 people
    When "reviewer-7" approves request 1 with proposed arguments
    And "reviewer-8" approves request 1 with proposed arguments
    Then its requests are "pending"
    And it is endorsed by "reviewer-7, reviewer-8"
    When "reviewer-9" approves request 1 with proposed arguments
    And the run is resumed
    Then the handler saw the requests as "approved"
    And it is endorsed by "reviewer-7, reviewer-8"

  @APPROVAL-25
  Scenario: The second yes of one person does not count
    Given a run that asks for a decision by 3 people
    When "reviewer-7" approves request 1 with proposed arguments
    And "reviewer-7" tries to approve request 1
    Then it is refused with "DecisionRefused" naming "decided_by"
    And the rule is "voted"
    And nothing changed

  @APPROVAL-25 @APPROVAL-10
  Scenario: One no is enough, also of one who has said yes
    Given a run that asks for a decision by 3 people
    When "reviewer-7" approves request 1 with proposed arguments
    And "reviewer-7" rejects request 1 with the note "I was wrong"
    Then the run is "cancelled"
    And its requests are "rejected"

  @APPROVAL-25 @APPROVAL-7 @seconds-120
  Scenario: Of many who decide at once as many count as are needed
    Given a run that asks for a decision by 2 people
    When 8 people approve it at once, each of them twice
    Then two of them count, and are two people
    And the others were refused

  @APPROVAL-25
  Scenario Outline: Several people say yes or no to exact arguments only
    When a run is started with a step that asks two people <for_more>
    Then its step failed with "InvalidPayload"
    And nobody was asked

    Examples:
      | for_more       |
      | for an edit    |
      | for an answer  |

  @APPROVAL-26
  Scenario Outline: Who is named in not_by decides nothing
    Given a run that asks for a decision not by the requester and "reviewer-7"
    When "<who>" tries to <decide> request 1
    Then it is refused with "DecisionRefused" naming "decided_by"
    And the rule is "not_by"
    And nothing changed

    Examples:
      | who        | decide  |
      | user-1     | approve |
      | user-1     | reject  |
      | reviewer-7 | approve |
      | reviewer-7 | reject  |

  @APPROVAL-26
  Scenario: Everybody else may decide
    Given a run that asks for a decision not by the requester and "reviewer-7"
    When "reviewer-8" approves request 1 with proposed arguments
    Then its requests are "approved"

  @APPROVAL-27
  Scenario Outline: The host may say who decides
    Given a run that asks for a decision to edit
    And a host whose may_decide <does>
    When "reviewer-7" tries to <decide> request 1 with edited arguments
    Then it is refused so that the host's word stands
    And nothing changed
    And may_decide was asked about what would be approved

    Examples:
      | does              | decide  |
      | says no           | approve |
      | says no           | reject  |
      | raises            | approve |
      | gives no answer   | approve |

  @APPROVAL-28
  Scenario Outline: A handler decides nothing
    Given a run that asks for a decision as it is
    When the handler of another run tries to <decide> request 1
    Then it was refused with the rule "handler"
    And its requests are "pending"

    Examples:
      | decide  |
      | approve |
      | reject  |

  @APPROVAL-29
  Scenario: A decision may let the run go on
    Given a run that asks for 2 decisions, that go on after a no
    When "reviewer-7" approves request 1, and lets it go on
    Then the run is "waiting_for_approval"
    When "reviewer-8" rejects request 2, and lets it go on
    Then the run is "running"
    And one commit has the last decision, and queues the step again
    When what is queued is run
    Then the handler saw the requests as "approved, rejected"

  @APPROVAL-30
  Scenario Outline: Who has seen other arguments decides nothing
    Given a run that asks for a decision as it is
    When "reviewer-7" tries to <decide> request 1 by the digest of other arguments
    Then it is refused with "InvalidPayload" naming "arguments_digest"
    And nothing changed

    Examples:
      | decide  |
      | approve |
      | reject  |

  @APPROVAL-31
  Scenario: What a step keeps is there when it goes on
    Given a run that asks for a decision, and keeps its messages
    When "reviewer-7" approves request 1 with proposed arguments
    And the run is resumed by a handler that fails
    And the run is retried
    Then the handler got what it kept, each time

  @APPROVAL-31
  Scenario: What is kept belongs to the asking
    Given a run that asks for a decision that goes on after a no, and keeps its messages
    When "reviewer-7" rejects request 1 with the note "again"
    And the run is resumed by a handler that asks and keeps nothing
    Then its step has nothing kept

  @APPROVAL-32
  Scenario Outline: A step that asks in vain fails
    Given a run that asks for <count> decisions again whatever it is told, at most 3 times
    When it is rejected and resumed until it stops asking
    Then it has asked <times> times
    And its step failed with "TooManyRequests"

    Examples:
      | count | times |
      | 1     | 3     |
      | 2     | 4     |

  @APPROVAL-32
  Scenario Outline: The count starts anew once the step is <what>
    Given a run that asks for 1 decisions again whatever it is told, at most 3 times
    When it is rejected and resumed 2 times, then <what>, and then until it stops asking
    Then it has asked <times> times

    Examples:
      | what               | times |
      | approved           | 6     |
      | failed and retried | 6     |

  @APPROVAL-33
  Scenario: A reminder is recorded once, when it is due
    Given a run that asks for a decision with a reminder after 30 seconds
    When what is due is done after 29 seconds, 2 seconds and 60 seconds
    Then the journal tells of one reminder, at 31 seconds
    And its requests are "pending"

  @APPROVAL-12 @APPROVAL-11 @APPROVAL-24
  Scenario: Requests expire one by one
    Given a run that asks for 4 decisions, of which one expires
    When 61 seconds pass
    Then its requests read as "pending, pending, expired, pending"
    When what is due is done after 1 seconds
    Then the journal tells that request 3 expired
    And the run is "waiting_for_approval"

  @STEP-25 @APPROVAL-17
  Scenario Outline: run_pending goes on where the last request to be settled has expired
    Given a run that asks for 2 decisions, of which the second expires
    When request 1 is approved <when> the second has expired
    And 61 seconds pass
    And what is queued is run
    Then the run is "<status>"

    Examples:
      | when   | status               |
      | before | completed            |
      | after  | waiting_for_approval |

  @APPROVAL-16 @APPROVAL-24
  Scenario: Of several, what is not used in time authorises nothing
    Given a run that asks for 2 decisions, of which the second expires
    When both requests are approved
    And 61 seconds pass
    And the run is resumed
    Then the handler saw the requests as "approved, expired"
