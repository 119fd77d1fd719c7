@page
Feature: Links: one person decides one request without a login
  A link is for a mail or a chat. Whoever holds it decides in the name that it was made out to.

  @LINK-1
  Scenario: Opening a link decides nothing, and its form decides
    Then a link that is opened in any way shows a form, and that form alone decides

  @LINK-2
  Scenario: A link that was not made for a request decides nothing of it
    Then a link that was forged, edited, made for other arguments or is too old shows and decides nothing

  @LINK-3
  Scenario: A link is spent with what it was for
    Then a link shows and decides nothing more when its request has ended or its decider has voted
