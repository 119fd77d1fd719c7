@adoption
Feature: Inbox: what waits for people, and which runs there are
  Whoever decides finds what waits for them across the runs, and whoever operates them finds the runs
  by what they are. Each page says where the next begins, and each count how far it is exact.

  @READ-22
  Scenario: What has waited longest comes first, with its run
    Given runs that asked in another order than they were started, two of them at once
    Then the inbox has all that waits, what has waited longest first
    And each request in it is as its run has it, with the summary of that run

  @READ-22
  Scenario: Who asks anew waits anew
    Given runs that asked in another order than they were started, two of them at once
    When the one that has waited longest is resumed, and asks again
    Then the inbox has all that waits, what has waited longest first

  @READ-22 @READ-24 @READ-27 @READ-28 @TENANT-2
  Scenario: A view of a tenant lists and counts what is its own, and the host all
    Given runs of two tenants that wait, alike but for that
    Then each view lists and counts what waits in it, whatever it is asked for
    And each view lists and counts the runs in it, whatever it is asked for

  @READ-23 @READ-27
  Scenario Outline: What nobody can decide any more is not in the inbox
    Given three runs that wait for approval, the second for 60 seconds
    When the request of the second <is>
    Then the inbox has, and counts, what the first and the third ask for

    Examples:
      | is                          |
      | is approved                 |
      | is rejected                 |
      | is withdrawn                |
      | is approved and used        |
      | has expired                 |
      | has expired, and is recorded as such |

  @READ-23 @READ-27
  Scenario Outline: Of the requests of one step, those that can be decided stay in the inbox
    Given a run that asks for three decisions, the second for 60 seconds
    When the second of its requests <is>
    Then the inbox has, and counts, the first and the third

    Examples:
      | is                          |
      | is approved                 |
      | is rejected                 |
      | has expired                 |
      | has expired, and is recorded as such |

  @READ-24 @READ-25 @READ-27
  Scenario: The inbox is narrowed by each filter, and by all of them together
    Given runs that ask different people for different tools in two sessions
    Then the inbox has, and counts, what fits each filter and each combination, on pages of any size

  @READ-25
  Scenario Outline: Each page of the inbox is full but the last, and a run may be on several
    Given runs that ask for 9 decisions in all
    When the inbox is read in pages of <size>, and between them nothing happens
    Then each request that waited to the end was on one page, and none on two
    And each page is full but the last

    Examples:
      | size |
      | 1    |
      | 2    |
      | 3    |
      | 4    |
      | 9    |
      | 1000 |

  @READ-25
  Scenario Outline: Pages of the inbox go on where the last one ended, whatever happens meanwhile
    Given runs that ask for 9 decisions in all
    When the inbox is read in pages of <size>, and between them <this happens>
    Then each request that waited to the end was on one page, and none on two

    Examples:
      | size | this happens                              |
      | 2    | another run comes to wait                 |
      | 1    | all that was listed is decided            |
      | 2    | all that was listed is decided            |
      | 3    | all that was listed is decided            |
      | 2    | the first that was listed is decided      |
      | 5    | the last that was listed is decided       |
      | 2    | the run of the last one listed is cancelled |
      | 2    | the run that is next in line is cancelled |
      | 1    | all that the last run asks for is decided |

  @READ-20 @READ-25
  Scenario: A damaged run hides nothing else in the inbox
    Given runs that ask for 9 decisions in all
    When entry 2 of the second of them is changed in the store
    Then pages of the inbox have what the others ask for, whatever their size

  @READ-26 @ERROR-2
  Scenario Outline: What the inbox cannot be asked for is refused
    Given a run that waits for approval
    When the inbox is asked for <what>
    Then it is refused with "<error>" naming "<field>"
    And nothing changed

    Examples:
      | what                                    | error           | field       |
      | what was approved                       | InvalidPayload  | status      |
      | a status of no request                  | InvalidPayload  | status      |
      | a page after a run                      | InvalidPayload  | after       |
      | a page after no text                    | InvalidPayload  | after       |
      | a page after nothing                    | InvalidPayload  | after       |
      | a page after the next of runs           | InvalidPayload  | after       |
      | a page after a next that was cut        | InvalidPayload  | after       |
      | a page after a next with more behind it | InvalidPayload  | after       |
      | no request                              | InvalidPayload  | limit       |
      | 1001 requests                           | InvalidPayload  | limit       |
      | the tool 7                              | InvalidPayload  | tool_name   |
      | what a list is assigned to              | InvalidIdentity | assigned_to |
      | the session of a list                   | InvalidIdentity | session_id  |

  @READ-26 @ERROR-2
  Scenario Outline: What a list of runs cannot be asked for is refused
    Given a run that waits for approval
    When runs are asked for with <what>
    Then it is refused with "<error>" naming "<field>"
    And nothing changed

    Examples:
      | what                        | error           | field         |
      | the status "done"           | InvalidPayload  | status        |
      | the status of a step        | InvalidPayload  | status        |
      | a time without a zone       | InvalidPayload  | created_after |
      | a time that is text         | InvalidPayload  | created_after |
      | a limit of 0                | InvalidPayload  | limit         |
      | a limit of 1001             | InvalidPayload  | limit         |
      | the role 7                  | InvalidPayload  | root_role_id  |
      | an actor that is a list     | InvalidIdentity | actor_id      |

  @READ-28 @READ-3
  Scenario: Runs are listed by each fact, and by each two of them
    Given runs of two sessions, roles and actors, in each status
    Then runs are listed by each fact and each two of them, newest first, on pages of any size

  @READ-28 @READ-3
  Scenario: Pages of the runs in a status go on where a run has left it
    Given runs that ask for 9 decisions in all
    When the runs that wait are read in pages of 2, and the last of each is cancelled
    Then each run was on one page, newest first

  @READ-27
  Scenario: Runs are counted by status
    Given runs of two sessions, roles and actors, in each status
    Then the count of each status is that of the runs that are listed by it

  @READ-27 @READ-29 @seconds-180
  Scenario: To 1,000 runs all is found and counted, and behind them it is said that there are more
    Given the oldest run of a session, which has waited least, and 999 others that wait in it
    Then what it asks for and the run itself are found on the first page by two facts
    And 1,000 runs wait, and 1,000 requests
    When one more comes to stand before it
    Then the first page by two facts is empty, and the next one has it
    And 1,000+ runs wait, and 1,000+ requests

  @READ-30
  Scenario: Of a step at work its detail tells who is at work, and until when
    When "worker-7" is at work on a step for 20 seconds, with a lease of 30
    Then its detail told the end of its lease at 30 seconds, and "worker-7"
    And once it was renewed, at 50 seconds
    And that of a step at which nobody is tells neither

  @READ-31
  Scenario: A run that is stored as it should be is verified
    Given a run with an idempotency key that asks for two decisions
    Then it is verified, and so is one whose lease was renewed

  @READ-31
  Scenario Outline: A fact that the store has of a run and its journal has not is found
    Given a run with an idempotency key that asks for two decisions
    When the store has another <fact> of it
    Then verifying it names "<fact>"

    Examples:
      | fact            |
      | tenant_id       |
      | session_id      |
      | actor_id        |
      | root_role_id    |
      | created_at      |
      | idempotency_key |
      | status          |
      | since           |
      | due             |
      | labels          |
      | has_ended       |
      | last one        |

  @READ-31
  Scenario: A label that the store has lost of a run is found
    Given a run with an idempotency key that asks for two decisions
    Then verifying it names "labels", whichever of them the store has lost

  @READ-31
  Scenario: A step at work that is due before its lease ends is found
    Given a run whose process died in its handler
    Then verifying it names "due" where its lease ends a second too early

  @READ-31
  Scenario: A run that is missing in a listing is found
    Given a run with an idempotency key that asks for two decisions
    Then verifying it names each listing that it is missing in
