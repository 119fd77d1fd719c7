@adoption
Feature: Listeners are told what happens in runs
  A host names functions that are told of each entry of each journal, by whoever delivers events.

  @EVENT-1 @EVENT-5 @EVENT-6 @outbox
  Scenario: Two listeners are told of all that happens, in its order, once
    Given a host with the listeners "mail" and "chat"
    When a run asks for approval, is approved and completes
    And its events are delivered
    And its events are delivered
    Then each listener was told of every entry of its journal once, in its order
    And what was asked for is told with the tool, the reason and times, and without a payload

  @EVENT-1 @outbox
  Scenario: Who comes later is told of what is stored from then on
    Given a host with the listener "mail"
    And a run that waits for approval, of which its listeners were told
    When another host comes with the listener "chat" beside it
    And its reviewer says yes
    And its events are delivered
    Then "chat" was told of "approval.approved" alone
    And "mail" was told of every entry of its journal once, in its order

  @EVENT-2 @outbox
  Scenario: What a listener is told can be read
    Given a host with the listener "reader", who reads what it is told of
    When a run asks for approval, is approved and completes, with deliveries between
    And a decision is refused
    Then "reader" found each entry that it was told of
    And "reader" was told of every entry of its journal once, in its order

  @EVENT-3 @EVENT-4 @outbox
  Scenario: What a listener did not take is told again, later each time, and before what follows
    Given a host with the listeners "mail" and "chat"
    And "mail" raises an exception at the event 5 of each run, 3 times
    When a run asks for approval, is approved and completes
    And another run does so too
    And its events are delivered
    Then "chat" was told of every entry of its journal once, in its order
    And "mail" was told of the events 1 to 5 of each run
    When its events are delivered at each second of the next minute
    Then "mail" was told of the event 5 at 0, 5, 15 and 35 seconds, each time with the same id
    And "mail" took every entry of each journal once, in its order

  @EVENT-3 @outbox
  Scenario: A listener that never takes an event is not asked for ever
    Given a host with the listeners "mail" and "chat"
    And "mail" raises an exception at the event 1 of each run, 1000 times
    When a run asks for approval, is approved and completes
    And its events are delivered at each hour of the next 3 days
    Then "mail" was told of the event 1 exactly 20 times, and of no other
    And its store says that "mail" was given up, and why

  @EVENT-3 @outbox
  Scenario: What a process took with it is told by another
    Given a host with the listener "mail"
    When a run asks for approval, is approved and completes
    And its deliverer dies before the event 4
    And its events are delivered
    Then "mail" was told of the events 1 to 3 of each run
    When 60 seconds pass
    And its events are delivered
    Then "mail" was told at last of every entry of its journal, each in its order

  @EVENT-4 @outbox
  Scenario: A listener that hangs holds up neither a call, nor another listener, nor another deliverer
    Given a host with the listeners "mail" and "chat"
    And "mail" hangs at its first event
    When "mail" is told by one caller, while a run asks for approval, is approved and completes
    Then the run is "completed"
    And "chat" was told meanwhile of every entry of its journal once, in its order
    And another deliverer tells "mail" of no event of that run

  @EVENT-6 @outbox
  Scenario: Callers who deliver at once tell each event once
    Given a host with the listener "mail"
    When 30 runs are started, and 4 callers deliver their events at once
    Then "mail" took every entry of each journal once, in its order

  @EVENT-7 @outbox
  Scenario: A reminder and an expiry are told once, whoever looks
    Given a host with the listener "mail"
    And a run that waits for approval, with a reminder after 10 and an end after 60 seconds
    When 10 seconds pass
    And 4 callers run what is pending at once, twice
    And 50 seconds pass
    And 4 callers run what is pending at once, twice
    And its events are delivered
    Then "mail" was told once of "approval.reminded" and once of "approval.expired", in that order
