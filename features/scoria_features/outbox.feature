@store
Feature: A store keeps what listeners have yet to be told
  What a store promises that declares `outbox`, put to it directly.

  @STORE-46 @STORE-47 @STORE-48 @STORE-49 @outbox @seconds-180
  Scenario: Whatever is asked of it, an outbox keeps what the reference keeps
    When listeners, writes, claims and what came of them are put to the store and to a reference
    Then after each call both kept the same for each listener, and answered the same

  @STORE-46 @STORE-47 @durable @outbox
  Scenario: What was stored and claimed before a process was killed is told after it
    Given a listener
    When a process stores 3 runs, claims the first of them and is killed
    Then the listener is to be told of 2 of them at once, and of the first when its claim ends

  @STORE-46 @STORE-47 @STORE-48 @durable @outbox
  Scenario: Who is killed while it stores and tells takes nothing with it that is to be told
    When a process that stores and tells is killed at each of 16 lines
    Then each time its listener has yet to be told what is stored, and nothing else

  @STORE-37 @STORE-49 @durable @outbox @prunable
  Scenario: Who is killed while it prunes leaves no delivery of what is gone
    When a process that stores and tells is killed at each of 16 lines of a prune
    Then each time its listener has yet to be told what is stored, and nothing else

  @STORE-47 @outbox
  Scenario: Of several callers that claim at once, each gets runs of its own
    Given a listener, and 40 runs that it has yet to be told of
    When 4 callers claim all they can at once
    Then each run was claimed once

  @STORE-47 @outbox @multi_process
  Scenario: Of several processes that claim at once, each gets runs of its own
    Given a listener, and 40 runs that it has yet to be told of
    When 4 processes claim all they can at once
    Then each run was claimed once

  @STORE-48 @outbox
  Scenario: What is appended while a delivery is settled is told as well
    Given a listener, and 40 runs that it has yet to be told of
    When one caller tells them while 2 others append to them at once
    Then the listener has yet to be told of nothing, or of what came last
