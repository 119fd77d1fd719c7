"""Steps in which others send the requests of a host's users, and in which two share a browser."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urljoin

import attrs
from pytest_bdd import given, then

from scoria_conformance.acts import (
    ACTED_ON,
    ACTORS,
    COLLEAGUE,
    JUDGE,
    NAMESAKE,
    OWNER,
    REVIEWER,
    RULES,
    STAGES,
    STRANGER,
    VISITOR,
    Visits,
    do,
)
from scoria_conformance.cases import Cases
from scoria_conformance.host import Host, HostRefused
from scoria_conformance.markup import seen
from scoria_conformance.relay import Relay, RelayedHost, Sent
from scoria_conformance.steps.calls_on_runs import UNKNOWN_RUN
from scoria_core.identity import EDGE_NAMES

OTHERS = (STRANGER, NAMESAKE, JUDGE, VISITOR)
"""Those who send requests that they must not send."""

CHANGING = {"approve": REVIEWER, "resume": OWNER}
SHOWING = {"read": OWNER, "evidence": OWNER}
"""The acts, each with the person whose requests others send again."""

MOST_LISTS = 20
"""The most pages that are opened of those that an evidence page links to."""

_RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@attrs.frozen
class Overheard:
    """Everybody in a host behind a relay, and what each sent for each act on a run of their own."""

    relay: Relay
    visits: Visits
    claims: Mapping[str, str]
    own: Mapping[tuple[str, str], list[Sent]] = attrs.field(factory=dict)

    @classmethod
    def begin(cls, behind: RelayedHost) -> "Overheard":
        """Sign everybody in, and learn the names that the host uses for a tenant and a user."""
        visits = Visits.begin(behind.host)
        actor_id, tenant_id = ACTORS[OWNER]
        known = {"actor_id": actor_id, "tenant_id": tenant_id}
        claims = {name: known[field] for field in known for name in EDGE_NAMES[field]}
        for sent in behind.relay.sent:
            fields = sent.fields or {}
            claims |= {name: value for name, value in fields.items() if value in known.values()}
        assert behind.relay.sent, "the driver speaks to another address than the one it is given"
        overheard = cls(behind.relay, visits, claims)
        own = {
            (who, act): overheard.sent(who, act, visits.turns[who].run_id)
            for who in OTHERS
            for act in (*SHOWING, *CHANGING)
            if who != VISITOR
        }
        own |= {(VISITOR, act): overheard.sent(VISITOR, act, UNKNOWN_RUN) for act in RULES}
        return attrs.evolve(overheard, own=own)

    def sent(self, who: str, act: str, run_id: str, held_from: int | None = None) -> list[Sent]:
        """Return the requests of somebody for an act, held back from number `held_from` on."""
        self.relay.sent.clear()
        self.relay.held_from = held_from
        do(self.visits.sessions[who], act, run_id)
        self.relay.held_from = None
        return list(self.relay.sent)

    def listed(self, run_id: str) -> frozenset[str]:
        """Return the run ids on pages that the evidence page of a run links to, for its owner."""
        *_, asked = self.sent(OWNER, "evidence", run_id)
        mount = asked.target.partition(f"/workflows/{run_id}")[0]
        page = seen(self.relay.send(asked).text)
        targets = [urljoin(asked.target, link) for link in page.links]
        # If the page has no mount of its own, its links may lead out of the session.
        within = [each for each in targets if mount and each.startswith(f"{mount}/")]
        answers = [
            self.relay.send(attrs.evolve(asked, target=each)) for each in within[:MOST_LISTS]
        ]
        return frozenset(_RUN_ID.findall(" ".join(answer.text for answer in answers)))

    def forged(self, request: Sent, who: str, act: str) -> Iterator[Sent]:
        """Yield the request as somebody could send it after the same act on a run of their own."""
        theirs = self.own[who, act]
        like = [each for each in theirs if each.method == request.method] or theirs
        if like:
            yield from request.as_by(like[-1], self.claims)


@given("everybody in a host whose requests are overheard", target_fixture="overheard")
def _everybody_in_a_host_whose_requests(relayed_host: RelayedHost) -> Overheard:
    return Overheard.begin(relayed_host)


@then("what changes a run changes nothing where another tenant sends it")
def _what_changes_a_run_changes_nothing_where(overheard: Overheard) -> None:
    visits = overheard.visits
    with Cases() as cases:
        for act, doer in CHANGING.items():
            (stage,) = STAGES[act]
            run_id = visits.another_run(stage)
            overheard.sent(doer, act, run_id)
            for number in range(len(overheard.relay.changing)):
                run_id = visits.another_run(stage)
                *_, held = overheard.sent(doer, act, run_id, held_from=number)
                visits.look()
                for who in OTHERS:
                    for request in overheard.forged(held, who, act):
                        overheard.relay.send(request)
                        overheard.relay.send(request.as_link)
                    changed = visits.changed()
                    told = f"it changed {', '.join(changed)}" if changed else ""
                    cases.holds(f"{who} sends what {doer} sends to {act}", told)


@then("what shows a run shows nothing of it where another tenant sends it")
def _what_shows_a_run_shows_nothing_of_it_where(overheard: Overheard) -> None:
    visits = overheard.visits
    with Cases() as cases:
        for act, doer in SHOWING.items():
            run_id = visits.another_run()
            for number, request in enumerate(overheard.sent(doer, act, run_id)):
                for who in OTHERS:
                    for forged in overheard.forged(request, who, act):
                        answer = overheard.relay.send(forged)
                        shows = visits.turns[ACTED_ON].session_id in answer.text
                        told = f"{answer.status_code}, with the session of the run"
                        case = f"{who} sends the request {number + 1} with which {doer} does {act}"
                        cases.holds(case, told if shows else "")


@then("who acts while another's request is under way leaves each of them their own name")
def _who_acts_while_another_request_is_under_way(overheard: Overheard) -> None:
    visits, relay = overheard.visits, overheard.relay
    with Cases() as cases:
        for who, other in ((OWNER, COLLEAGUE), (COLLEAGUE, OWNER), (OWNER, STRANGER)):
            relay.between = partial(do, visits.sessions[other], "start_turn", text="a prompt")
            turn = visits.sessions[who].start_turn("another prompt")
            case = f"what {who} starts while {other} does"
            cases.equal(f"the session of {case}", visits.turns[who].session_id, turn.session_id)
            page = visits.sessions[REVIEWER].evidence(turn.run_id).text
            named = ACTORS[who][0] in page and ACTORS[other][0] not in page
            cases.holds(case, "" if named else "its page names another")
        run_id = visits.another_run()
        relay.between = partial(do, visits.sessions[JUDGE], "read", visits.turns[JUDGE].run_id)
        visits.sessions[REVIEWER].approve(run_id)
        page = visits.sessions[OWNER].evidence(run_id).text
        named = ACTORS[REVIEWER][0] in page and ACTORS[JUDGE][0] not in page
        cases.holds("what a reviewer approves", "" if named else "its page names another")


@then("an act that is sent again leaves the list of runs as it was")
def _an_act_that_is_sent_again_leaves_the_list(overheard: Overheard) -> None:
    visits = overheard.visits
    with Cases() as cases:
        for act, doer in CHANGING.items():
            run_id = visits.another_run(*STAGES[act])
            do(visits.sessions[doer], act, run_id)
            before = overheard.listed(run_id)
            do(visits.sessions[doer], act, run_id)
            more = sorted(overheard.listed(run_id) - before)
            told = f"it lists {', '.join(more)} more" if more else ""
            cases.holds(f"{doer} does {act} twice", told)


@given("one browser of a host", target_fixture="shared")
def _one_browser_of_a_host(relayed_host: RelayedHost) -> Host:
    relayed_host.relay.is_one_browser = True
    return relayed_host.host


@then("who signs in where another is signed in has a session and runs of their own")
def _who_signs_in_where_another_is_signed(shared: Host) -> None:
    met: dict[object, str] = {}
    with Cases() as cases:
        for who in (OWNER, COLLEAGUE, STRANGER):
            actor_id, tenant_id = ACTORS[who]
            try:
                session = shared.sign_in(actor_id=actor_id, tenant_id=tenant_id)
            except HostRefused:
                # A host need not let a second user sign in before the first signs out.
                continue
            stored = do(session, "stored_run_id").said
            turn = session.start_turn("a prompt")
            if actor_id not in session.evidence(turn.run_id).text:
                # Nor need it say so: then the browser still belongs to the user before.
                continue
            for what, now in {"stored run": stored, "session": turn.session_id}.items():
                told = f"it is that of {met[now]}" if now in met else ""
                cases.holds(f"the {what} of {who}", told)
            met |= {turn.run_id: who, turn.session_id: who}
