@page
Feature: Evidence page: an operator reads one run
  A page that shows what a run did and who decided, to those of its tenant that the host lets in.
  What it shows is tried text by text, in every state that a run can be in. Who may see it is tried
  request by request: each route that its links lead to, by each method, for everybody.

  @PAGE-1 @PAGE-7
  Scenario: A page begins with where its run stands, and shows what was delegated
    Given runs of two tenants in every state that a page shows, each text of them hostile
    Then the page of each run begins with it, its status and what it waits for
    And what was handed on is under "Delegated Evidence", each handoff whole

  @PAGE-6 @PAGE-8 @PAGE-9
  Scenario: Every text of a run is on its page, as text and nothing else
    Given runs of two tenants in every state that a page shows, each text of them hostile
    Then every text of a run is on its page
    And it is text there, as it was written, and nothing else
    And each character of it that is not seen stands there as its escape

  @PAGE-14
  Scenario: A decision stands with its request, and what was approved apart from what was proposed
    Given runs of two tenants in every state that a page shows, each text of them hostile
    Then one element of a page holds a request whole with its status, and nothing of another
    And what was proposed stands there under "proposed", and what was approved under "approved"

  @PAGE-10 @TENANT-2
  Scenario: A page holds nothing that is not of its run
    Given runs of two tenants in every state that a page shows, each text of them hostile
    Then no page of a run holds a text of another run
    And no list holds a text of another tenant
    And the page of a run whose journal is damaged holds nothing from there on
    And of two runs that ask for the same, the page of each tells its own decision

  @PAGE-2
  Scenario: Who has no scope learns nothing from the page
    Given a run that waits for approval
    And its page, which anybody may ask for
    Then whatever a visitor asks for it is "403", as for a run that never was

  @PAGE-3 @PAGE-4 @TENANT-2
  Scenario: The page of another tenant's run is that of a run that never was
    Given a run that waits for approval
    And its page, which anybody may ask for
    Then whatever a user of another tenant asks for it is "404", as for a run that never was
    And no list that another tenant asks for has it
    And one whose tenant is called alike is answered as for a run that never was
    And another tenant is answered so also where its journal is damaged

  @PAGE-3
  Scenario: Nothing in a request chooses the tenant of the page
    Given a run that waits for approval
    And its page, which anybody may ask for
    Then nothing that a request of its tenant says shows it another's run, or less than its own

  @PAGE-5
  Scenario: The page answers reading methods only
    Given a run that waits for approval
    And its page, which anybody may ask for
    Then GET shows it, HEAD is that without a body, any other method is 405, and nothing changes

  @PAGE-11 @PAGE-12
  Scenario: Each answer says what caches and browsers may do with it
    Given a run that waits for approval
    And its page, which anybody may ask for
    Then no answer may be kept by a shared cache
    And each answer forbids scripts that it does not name, and frames of other sites

  @PAGE-13 @READ-6
  Scenario: Each request is answered anew
    Given a run that waits for approval
    And its page, which anybody may ask for
    Then whoever asked before, each is answered as if nobody had
    And the page follows each change of the run

  @PAGE-15 @READ-22
  Scenario: What waits for a person is found from the first page, the longest waiting first
    Given 60 runs that asked in another order than they were started
    Then the first page, and those after it, lead to each of them, the longest waiting first

  @PAGE-16
  Scenario: A form decides the request it was shown with, in the name of whoever opened it
    Then each form that a page of a run offers does what its button says

  @PAGE-17 @TENANT-2
  Scenario: Nothing but a form that was opened for it decides a request
    Then no other request than that of its form decides, whoever sends it

  @PAGE-18
  Scenario: Who decides too late is told what is true now
    Then a form that is sent after another's decision, twice, or after its time changes nothing, and says why
