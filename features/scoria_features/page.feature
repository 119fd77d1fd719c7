@page
Feature: Evidence page: an operator reads one run
  A page that shows what a run did and who decided, to those of its tenant that the host lets in.

  @PAGE-1
  Scenario: The page of a run shows what it waits for
    Given a run that waits for approval
    Then its page shows the run, its status and its pending approval

  @PAGE-1
  Scenario Outline: The page of a run shows where it stands
    Given <run>
    Then its page shows the run as "<status>"

    Examples:
      | run                      | status    |
      | a run with a queued step | running   |
      | a completed run          | completed |
      | a failed run             | failed    |
      | a cancelled run          | cancelled |

  @PAGE-2
  Scenario: Who has no scope learns nothing from the page
    Given a run that waits for approval
    Then its page is "403" without a scope, as for a run that never was

  @PAGE-3
  Scenario Outline: Nothing in a request chooses the tenant of the page
    Given a run that waits for approval
    Then its page is "<code>" for <who>, whatever the request says of its tenant

    Examples:
      | code | who                |
      | 403  | who has no scope   |
      | 404  | another tenant     |

  @PAGE-4
  Scenario: The page of another tenant's run is that of a run that never was
    Given a run that waits for approval
    Then its page is "404" for another tenant, as for a run that never was

  @PAGE-5
  Scenario Outline: The page answers reading methods only
    Given a run that waits for approval
    Then a "<method>" to its page is "<code>"
    And nothing changed

    Examples:
      | method  | code |
      | GET     | 200  |
      | HEAD    | 200  |
      | POST    | 405  |
      | PUT     | 405  |
      | PATCH   | 405  |
      | DELETE  | 405  |
      | OPTIONS | 405  |
      | TRACE   | 405  |
      | PROPFIND | 405 |

  @PAGE-6
  Scenario: What a host or a model wrote is shown as text
    When a run is started whose payloads hold "<script>alert(1)</script>"
    Then its page shows that as text

  @PAGE-6
  Scenario: What a person or an error said is shown as text
    When a run is approved and fails with "<script>alert(1)</script>"
    Then its page shows that as text

  @PAGE-7
  Scenario: The page shows what was delegated
    When a handoff run is started
    Then its page shows the handoff under "Delegated Evidence"
