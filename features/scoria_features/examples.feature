@adoption
Feature: The example runs of the specification

  Runs of every kind, made with a clock and ids that count, are published with the features: each
  journal byte for byte, what each handler was given, and the run in detail.

  @JOURNAL-1 @JOURNAL-2 @JOURNAL-4 @READ-1
  Scenario: The kit makes each example run as it is published
    Given the example runs as they are published
    When the example runs are made anew
    Then each has the journal, the handler calls and the detail that are published

  @READ-1
  Scenario: The kit reads each example run from its journal alone
    Given the example runs as they are published
    Then each of their journals reads as the run that is published

  @JOURNAL-3
  Scenario: A change of any entry of an example run is noticed there
    Given the example runs as they are published
    Then each entry that is changed, lost, moved, repeated or from another run is named

  @JOURNAL-7
  Scenario: An example run that was sealed anew after a change is refused
    Given the example runs as they are published
    Then each that is sealed anew after a change is refused, but for those that are published
