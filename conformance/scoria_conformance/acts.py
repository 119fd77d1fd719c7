"""Who may do what in a host (spec/host.md, spec/tenants.md), and how each act is tried.

The acts are the methods of `HostSession`; their arguments are read from there. A new method needs a
row in `RULES`.
"""

import inspect
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import attrs
import pytest

from scoria_conformance.host import Evidence, Host, HostRefused, HostSession, Turn
from scoria_conformance.markup import seen

TENANT, OTHER_TENANT = "tenant-1", "tenant-10"

OWNER = "its user"
COLLEAGUE = "another user of its tenant"
NEWCOMER = "a user of its tenant who has started nothing"
REVIEWER = "a reviewer of its tenant"
STRANGER = "a user of another tenant"
NAMESAKE = "a user of another tenant who is called as its user"
JUDGE = "a reviewer of another tenant"
VISITOR = "a visitor"

OF_THE_TENANT = frozenset({OWNER, COLLEAGUE, NEWCOMER, REVIEWER})
OF_ANOTHER = frozenset({STRANGER, NAMESAKE, JUDGE})
SIGNED_IN = OF_THE_TENANT | OF_ANOTHER
ACTED_ON = f"{OWNER}, in question"
"""The label of the run that an act is tried on."""

PEOPLE = (OWNER, COLLEAGUE, NEWCOMER, REVIEWER, STRANGER, NAMESAKE, JUDGE, VISITOR)

ACTORS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        OWNER: ("ada-of-the-case", TENANT),
        COLLEAGUE: ("ben-of-the-case", TENANT),
        NEWCOMER: ("nora-of-the-case", TENANT),
        REVIEWER: ("cleo-of-the-case", TENANT),
        STRANGER: ("dora-of-the-case", OTHER_TENANT),
        NAMESAKE: ("ada-of-the-case", OTHER_TENANT),
        JUDGE: ("emil-of-the-case", OTHER_TENANT),
    }
)
"""The actor id and the tenant that each signs in with. One tenant id is a prefix of the other."""


@attrs.frozen
class Rule:
    """Who must be able to do an act, and who may be; everybody else must be refused."""

    must: frozenset[str]
    may: frozenset[str] = frozenset()

    def of(self, who: str) -> str:
        """Return "done", "either" or "refused"."""
        if who in self.must:
            return DONE
        return EITHER if who in self.may else REFUSED


DONE, EITHER, REFUSED = "done", "either", "refused"

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "start_turn": Rule(SIGNED_IN),  # HOST-1, HOST-8
        "submit_draft": Rule(SIGNED_IN),  # HOST-7, HOST-8
        "stored_run_id": Rule(SIGNED_IN),  # HOST-1, HOST-8
        "read": Rule(frozenset({OWNER}), OF_THE_TENANT),  # HOST-2, TENANT-1
        "evidence": Rule(OF_THE_TENANT),  # HOST-3, HOST-6
        "approve": Rule(frozenset({REVIEWER}), OF_THE_TENANT),  # HOST-4, HOST-8: who decides
        "resume": Rule(frozenset({OWNER}), OF_THE_TENANT),  # HOST-4, HOST-8
    }
)
"""The rule for each act of a `HostSession`, on a run of the tenant or without a run."""


def acts() -> Mapping[str, tuple[str, ...]]:
    """Return the acts of a driver, and the arguments of each."""
    methods = inspect.getmembers(HostSession, inspect.isfunction)
    return {
        name: tuple(inspect.signature(method).parameters)[1:]
        for name, method in methods
        if not name.startswith("_")
    }


ON_A_RUN = tuple(name for name, takes in acts().items() if takes == ("run_id",))
"""The acts on a run that exists."""


WAITING, APPROVED, COMPLETED = "that waits", "that is approved", "that is completed"

STAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"approve": (WAITING,), "resume": (APPROVED,)}
    | dict.fromkeys(("read", "evidence"), (WAITING, APPROVED, COMPLETED))
)
"""The states of a run in which each act on it can be done."""


@attrs.frozen
class Outcome:
    """The outcome of an act: done, refused or what the driver raised; and what it returned."""

    how: str
    said: object = None

    def about(self, run_id: str, other: str) -> "Outcome":
        """Return the same outcome, with another run id in its texts."""
        said = self.said
        if isinstance(said, Evidence):
            said = attrs.evolve(said, text=said.text.replace(run_id, other))
        return Outcome(self.how, said.replace(run_id, other) if isinstance(said, str) else said)

    @property
    def timeless(self) -> "Outcome":
        """The same, a page as its text without lengths of time: those change with every look."""
        if not isinstance(self.said, Evidence):
            return self
        return Outcome(self.how, attrs.evolve(self.said, text=_timeless(self.said.text)))


@lru_cache(maxsize=100)  # most pages have not changed since the last look
def _timeless(page: str) -> str:
    return _LENGTH.sub("", seen(page).text)


_LENGTH = re.compile(r"(\bless than )?\b\d+ (ms|s|sec|min|h|d|seconds?|minutes?|hours?|days?)\b")
"""A length of time, as in "3 minutes ago"."""


def do(session: HostSession, act: str, run_id: str = "", text: str = "") -> Outcome:
    """Do an act, with a run and a text if it takes them."""
    given = {name: run_id if name == "run_id" else text for name in acts()[act]}
    try:
        said = getattr(session, act)(**given)
    except HostRefused as refused:
        return Outcome(REFUSED, str(refused))
    except (Exception, pytest.skip.Exception) as raised:  # noqa: BLE001 - whatever it is, it is told
        return Outcome(f"raised {type(raised).__name__}: {raised}")
    refused_page = isinstance(said, Evidence) and said.status_code >= 400
    return Outcome(REFUSED if refused_page else DONE, said)


@attrs.define
class Visits:
    """Everybody in one host, each with a run that waits for approval; and what they see of it."""

    host: Host
    sessions: dict[str, HostSession] = attrs.field(factory=dict)
    turns: dict[str, Turn] = attrs.field(factory=dict)
    before: Mapping[str, object] = attrs.field(factory=dict)

    @classmethod
    def begin(cls, host: Host) -> "Visits":
        """Sign in everybody but the visitor, and start a turn for each of them but the newcomer."""
        visits = cls(host)
        for who, (actor_id, tenant_id) in ACTORS.items():
            is_reviewer = who in (REVIEWER, JUDGE)
            session = host.sign_in(actor_id=actor_id, tenant_id=tenant_id, reviewer=is_reviewer)
            visits.sessions[who] = session
            if who != NEWCOMER:
                visits.turns[who] = session.start_turn(f"the prompt of {actor_id} in {tenant_id}")
        visits.sessions[VISITOR] = host.visit()
        visits.look()
        return visits

    def another_run(self, stage: str = WAITING) -> str:
        """Start a turn of the owner, between two others in the same state, and return its run."""
        for label in (f"{OWNER}, before", ACTED_ON, f"{OWNER}, latest"):
            self.turns[label] = turn = self.sessions[OWNER].start_turn("another prompt")
            if stage != WAITING:
                self.sessions[REVIEWER].approve(turn.run_id)
            if stage == COMPLETED:
                self.sessions[OWNER].resume(turn.run_id)
            # Only this run and the owner's stored id are seen anew: if the call changed anything of
            # others, the check of the next act reports it.
            self.before = {**self.before, **self._seen_of(label)}
        return self.turns[ACTED_ON].run_id

    def look(self) -> None:
        """Remember what everybody sees now."""
        self.before = self.seen()

    def seen(self) -> Mapping[str, object]:
        """Return what everybody sees of their run, and the run id stored for them."""
        seen: dict[str, object] = {}
        for label in self.turns:
            seen.update(self._seen_of(label))
        return seen

    def _seen_of(self, label: str) -> Mapping[str, object]:
        who, turn = label.partition(", ")[0], self.turns[label]
        session = self.sessions[who]
        stored = {f"what is stored for {who}": do(session, "stored_run_id")}
        # Their own runs need no look: a change of others' runs would show in those of the users.
        if who in (REVIEWER, JUDGE):
            return stored
        looks = tuple(do(session, act, turn.run_id).timeless for act in ("read", "evidence"))
        return {turn.run_id: looks, **stored}

    def changed(self) -> list[str]:
        """Return the names of what has changed since the last look, and look again."""
        before, self.before = self.before, self.seen()
        return [self._name(each) for each in self.before if self.before[each] != before.get(each)]

    def _name(self, seen: str) -> str:
        labels = {turn.run_id: f"the run of {label}" for label, turn in self.turns.items()}
        return labels.get(seen, seen)

    def name(self, run_id: str) -> str:
        """Return how a run is named in a failure."""
        return self._name(run_id)
