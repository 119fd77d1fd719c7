"""Runs in every state that a page can show, with hostile, marked text in every field.

A run is brought to its state by public calls. Its page is opened in that state, which may be while
a handler is running.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs

from scoria_conformance.host import PageFactory
from scoria_conformance.markers import Mark, Marks, Pen, texts_of
from scoria_conformance.markup import Seen, seen
from scoria_conformance.page_requests import Answer, Request, Scope, Site, links_of
from scoria_conformance.world import DamagedStore, World
from scoria_core import (
    Completed,
    Failed,
    HandOff,
    NeedsApproval,
    Retry,
    RunDetail,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.journal import seal
from scoria_core.model import DamagedRun
from scoria_core.ports import Record

Answering = Callable[[Step, RunSummary], Any]
Forger = Callable[[str], Record]
"""Makes an entry of a type that the kit does not write, to follow the entry with that digest."""

SESSIONS = 2
"""How many sessions the runs of a tenant belong to."""

LONG = 30_000
"""The length of each text of the second tenant: more than a page would show at once."""

MOST_PAGES = 100
"""How many pages are opened by following links."""


@attrs.frozen
class Page:
    """A page as it was opened: of a run, with its detail at that time, or a list of runs.

    `linked` is the text of the pages about the same run that it links to. `sound` are the letters
    of the marks that a damaged journal holds before its damage.
    """

    request: Request
    answer: Answer
    seen: Seen
    tenant: str
    label: str = ""
    detail: RunDetail | None = None
    linked: str = ""
    sound: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of the page in the message of a failure."""
        return f"the page of {self.label}" if self.label else f"the page at {self.request}"


@attrs.define
class Gallery:
    """The pages of one store: of its runs in every state, and the pages that these link to."""

    marks: Marks
    runs: list[Page] = attrs.field(factory=list)
    lists: list[Page] = attrs.field(factory=list)
    damaged: list[Page] = attrs.field(factory=list)
    views: list[DamagedRun] = attrs.field(factory=list)

    @property
    def pages(self) -> list[Page]:
        """All pages."""
        return [*self.runs, *self.lists, *self.damaged]

    def held(self) -> Mapping[str, str]:
        """Return, for each field of a view, a mark that was found in it."""
        views = [page.detail for page in self.runs] + self.views
        texts = (each for view in views for each in texts_of(view))
        return {field: str(found[0]) for field, text in texts if (found := self.marks.within(text))}

    def written_in(self, page: Page) -> list[tuple[str, Mark]]:
        """Return the marked texts in the run of a page, each with the field that holds it.

        The texts that a step keeps are left out: a page need not show them, or only on request.
        """
        steps = () if page.detail is None else page.detail.steps
        kept = {text for step in steps for _, text in texts_of(step.kept, "Step.kept")}
        texts = {text: field for field, text in texts_of(page.detail) if text not in kept}
        return [(texts[mark.text], mark) for mark in self.marks.made.values() if mark.text in texts]


def gallery(world: World, page: PageFactory) -> Gallery:
    """Start the runs and open every page: of each run, and whatever they lead to."""
    made = Gallery(Marks())
    for tenant, labels in TENANTS.items():
        ids = {name: made.marks.pen(tenant).name(name) for name in ("tenant_id", "actor_id")}
        sessions = [made.marks.pen(tenant).name("session_id") for _ in range(SESSIONS)]
        site = Site(page, world.scoria)
        for number, label in enumerate(labels):
            pen = made.marks.pen(f"{label} of {tenant}", LONG if tenant == SECOND else 0)
            session_id = sessions[number % SESSIONS]
            stage = _Stage(world, site, ids, session_id, pen, made, label, tenant)
            stage.tell()
        _follow_links(made, site, ids, tenant)
    _open_damaged(made, world, page, ids)
    return made


@attrs.define
class _Stage:
    """Where one run is started and brought to its state."""

    world: World
    site: Site
    scope: Mapping[str, str]
    session_id: str
    pen: Pen
    gallery: Gallery
    label: str
    tenant: str
    run_id: str = ""

    def tell(self) -> None:
        """Bring the run to its state and open its page, if it was not opened on the way."""
        before = len(self.gallery.runs)
        RUNS[self.label](self)
        if len(self.gallery.runs) == before:
            self.show()

    def show(self, *_: object) -> None:
        """Open the page of the run as it is now."""
        request = Request(f"/workflows/{self.run_id}")
        detail = self.scoria.get_run_detail(self.run_id)
        answer = self.site.ask(self.scope, request)
        shown = seen(answer.text)
        more = [each for each in links_of(request, shown.links) if each.path == request.path]
        linked = [seen(self.site.ask(self.scope, each).text).text for each in dict.fromkeys(more)]
        page = Page(request, answer, shown, self.tenant, self.label, detail, "".join(linked))
        self.gallery.runs.append(page)

    @property
    def scoria(self) -> Scoria:
        """The facade that the runs are started and changed through."""
        return self.world.scoria

    @property
    def who(self) -> Any:
        """The identity that a run is started with."""
        return self.scoria.identity(
            actor_id=self.pen.name("actor_id"),
            tenant_id=self.scope["tenant_id"],
            session_id=self.session_id,
            metadata=self.pen.payload("metadata of the identity"),
        )

    @property
    def told(self) -> dict[str, Any]:
        """The further arguments that start a run."""
        key = self.pen.name("idempotency_key")
        return {"metadata": self.pen.payload("metadata"), "idempotency_key": key}

    def spec(self, retry: Retry | None = None) -> StepSpec:
        """Return a step of which each text is marked."""
        named = self.pen.name("kind"), self.pen.name("role_id")
        return StepSpec(*named, self.pen.payload("input"), retry)

    def start(self, answer: Answering, retry: Retry | None = None) -> None:
        """Start a run of one step, whose handler answers with `answer`."""
        spec = self.spec(retry)
        root = self.pen.name("root_role_id")
        self.run_id = self.scoria.start_run(
            self.who,
            root_role_id=root,
            initial_step=spec,
            handlers={spec.kind: self._handled(answer)},
            **self.told,
        ).run_id

    def start_handoff(self, answer: Answering | None) -> None:
        """Start a run that hands work to a role: its handler answers, or it has no handler."""
        kind = self.pen.name("delegated_kind")
        self.run_id = self.scoria.start_handoff_run(
            self.who,
            self.pen.name("delegated_role_id"),
            root_role_id=self.pen.name("root_role_id"),
            delegated_kind=kind,
            handoff_input=self.pen.payload("handoff_input"),
            projected_context=self.context(),
            capability_tags=(self.pen.name("first tag"), self.pen.name("second tag")),
            handlers={kind: self._handled(answer)} if answer else None,
            **self.told,
        ).run_id

    def context(self) -> dict[str, Any]:
        """Return a context without names that sound like a secret: the kit would refuse those."""
        pen = attrs.evolve(self.pen, known=("task", "draft_answer"))
        return pen.payload("projected_context")

    def asks(self, *_: object) -> NeedsApproval:
        """Answer with a request for approval that stays open for a minute."""
        return NeedsApproval(
            tool_name=self.pen.name("tool_name"),
            arguments=self.pen.payload("arguments"),
            reason=self.pen.text("reason"),
            expires_in=60,
        )

    def asks_for_several(self, *_: object) -> list[NeedsApproval]:
        """Answer with several requests that together use every field of a request."""
        edited = attrs.evolve(
            self.asks(),
            may_edit={"examples": [self.pen.payload("may_edit")]},
            not_by=[self.pen.name("not_by")],
            assigned_to=[self.pen.name("assigned_to")],
            call_id=self.pen.name("call_id"),
            remind_after=30,
            keep=self.pen.payload("keep"),
        )
        answered = attrs.evolve(
            self.asks(), answer_schema={"examples": [self.pen.payload("answer_schema")]}
        )
        voted = attrs.evolve(self.asks(), approvals_needed=3, on_reject="resume")
        return [edited, answered, voted]

    def completes(self, *_: object) -> Completed:
        """Answer that the step is done."""
        return Completed(self.pen.payload("result"))

    def fails(self, *_: object) -> Failed:
        """Answer that the step failed."""
        return Failed(self.pen.text("reason of the failure"), self.pen.payload("details"))

    def raises(self, *_: object) -> None:
        """Raise an exception with a hostile class name, caused by another exception."""
        kind = type(self.pen.name("class of the error"), (Exception,), {})
        raise kind(self.pen.text("message")) from LookupError(self.pen.text("cause"))

    def hands_on(self, *_: object) -> HandOff:
        """Answer with a handoff to a role that has no handler."""
        return HandOff(
            delegated_role_id=self.pen.name("delegated_role_id"),
            delegated_kind=self.pen.name("delegated_kind"),
            handoff_input=self.pen.payload("handoff_input"),
            projected_context=self.context(),
            capability_tags=(self.pen.name("tag"),),
        )

    def shows(self, *_: object) -> Completed:
        """Open the page while the handler is running."""
        self.show()
        return self.completes()

    def decide(self, decide: Callable[..., object], **said: Any) -> None:
        """Decide the next request that the run waits for."""
        asked = self.scoria.get_run(self.run_id).pending_approval
        if asked is None:
            raise AssertionError(f"{self.label} does not wait for a decision")
        decided_by, note = self.pen.name("decided_by"), self.pen.text("note")
        named = asked.approval_id
        decide(self.run_id, approval_id=named, decided_by=decided_by, note=note, **said)

    def go_on(self, go_on: Callable[..., object], answer: Answering) -> None:
        """Resume or retry the run with a handler that gives `answer`."""
        kind = self.scoria.get_run_detail(self.run_id).steps[-1].kind
        handlers = {kind: self._handled(answer)}
        go_on(self.run_id, actor_id=self.pen.name("actor_id of the call"), handlers=handlers)

    def _handled(self, answer: Answering) -> Answering:
        def handle(step: Step, run: RunSummary) -> Any:
            self.run_id = run.run_id
            return answer(step, run)

        return handle


def _approved(stage: _Stage) -> None:
    stage.start(stage.asks)
    stage.decide(stage.scoria.approve)


def _resumed(stage: _Stage) -> None:
    _approved(stage)
    stage.go_on(stage.scoria.resume_run, stage.completes)


def _edited(stage: _Stage) -> None:
    stage.start(lambda *_: attrs.evolve(stage.asks(), may_edit=True))
    stage.decide(stage.scoria.approve, arguments=stage.pen.payload("edited arguments"))


def _asked_again(stage: _Stage) -> None:
    """Wait for a second decision after the first has been used."""
    _approved(stage)
    stage.go_on(stage.scoria.resume_run, stage.asks)


def _decided_again(stage: _Stage) -> None:
    _asked_again(stage)
    stage.decide(stage.scoria.approve)
    stage.go_on(stage.scoria.resume_run, stage.asks)


def _decided_in_part(stage: _Stage) -> None:
    """Edit the first request, answer the second, and approve the third twice of three times."""
    stage.start(stage.asks_for_several)
    stage.decide(stage.scoria.approve, arguments=stage.pen.payload("edited arguments"))
    stage.decide(stage.scoria.approve, answer=stage.pen.payload("answer"))
    stage.decide(stage.scoria.approve)
    stage.decide(stage.scoria.approve)


def _decided_with_a_no(stage: _Stage) -> None:
    _decided_in_part(stage)
    stage.decide(stage.scoria.reject)


def _reminded(stage: _Stage) -> None:
    stage.start(stage.asks_for_several)
    stage.world.clock.advance(timedelta(seconds=31))
    stage.scoria.run_pending(stage.run_id)


def _rejected(stage: _Stage) -> None:
    stage.start(stage.asks)
    stage.decide(stage.scoria.reject)


def _expired(stage: _Stage) -> None:
    stage.start(stage.asks)
    stage.world.clock.advance(timedelta(seconds=61))


def _approved_too_early(stage: _Stage) -> None:
    _approved(stage)
    stage.world.clock.advance(timedelta(seconds=61))


def _cancelled(stage: _Stage) -> None:
    stage.start(stage.asks)
    by, reason = stage.pen.name("actor_id of the call"), stage.pen.text("reason to cancel")
    stage.scoria.cancel_run(stage.run_id, reason=reason, actor_id=by)


def _retried(stage: _Stage) -> None:
    stage.start(stage.fails)
    stage.go_on(stage.scoria.retry_run, stage.completes)


def _queued(stage: _Stage) -> None:
    spec = stage.spec()
    stage.run_id = stage.scoria.start_run(
        stage.who, root_role_id=stage.pen.name("root_role_id"), initial_step=spec
    ).run_id


def _handed_off(stage: _Stage, answer: str | None) -> None:
    stage.start_handoff(getattr(stage, answer) if answer else None)


def _handoff_cancelled(stage: _Stage) -> None:
    stage.start_handoff(None)
    stage.scoria.cancel_run(stage.run_id)


def _handed_off_twice(stage: _Stage) -> None:
    """Hand two pieces of work to one role, one after the other."""
    stage.run_id = stage.scoria.start_run(
        stage.who, root_role_id=stage.pen.name("root_role_id"), **stage.told
    ).run_id
    first = stage.hands_on()
    for answer in (first, attrs.evolve(first, handoff_input=stage.pen.payload("second input"))):
        spec, kind = stage.spec(), answer.delegated_kind
        handlers: dict[str, Answering] = {
            spec.kind: partial(_given, answer),
            kind: stage.completes,
        }
        stage.scoria.add_step(stage.run_id, spec, handlers=handlers)


def _given(answer: Any, *_: object) -> Any:
    return answer


def _tries_again(stage: _Stage) -> None:
    stage.start(stage.raises, Retry(max_attempts=2, unless=(stage.pen.name("unless"),)))


RUNS: Mapping[str, Callable[[_Stage], None]] = MappingProxyType(
    {
        "a queued run": _queued,
        "a run at work": lambda stage: stage.start(stage.shows),
        "a completed run": lambda stage: stage.start(stage.completes),
        "a run whose step failed": lambda stage: stage.start(stage.fails),
        "a run whose handler raised": lambda stage: stage.start(stage.raises),
        "a run that tries again": _tries_again,
        "a retried run": _retried,
        "a run that waits for approval": lambda stage: stage.start(stage.asks),
        "an approved run": _approved,
        "an edited run": _edited,
        "a resumed run": _resumed,
        "a run that waits for a second approval": _asked_again,
        "a run that waits for a third approval": _decided_again,
        "a run that waits for several decisions": lambda stage: stage.start(stage.asks_for_several),
        "a run whose requests are decided in part": _decided_in_part,
        "a run whose requests are decided": _decided_with_a_no,
        "a reminded run": _reminded,
        "a rejected run": _rejected,
        "a run whose request expired": _expired,
        "a run whose approval expired": _approved_too_early,
        "a cancelled run": _cancelled,
        "a run with a pending handoff": lambda stage: _handed_off(stage, None),
        "a run with a handoff at work": lambda stage: _handed_off(stage, "shows"),
        "a run with a completed handoff": lambda stage: _handed_off(stage, "completes"),
        "a run with a failed handoff": lambda stage: _handed_off(stage, "fails"),
        "a run with a handoff that waits": lambda stage: _handed_off(stage, "asks"),
        "a run with a handoff of a handoff": lambda stage: _handed_off(stage, "hands_on"),
        "a run with two handoffs to one role": _handed_off_twice,
        "a run with a cancelled handoff": _handoff_cancelled,
    }
)
"""The function that brings a run to each state, by the name of that state."""

FIRST, SECOND = "the first tenant", "the second tenant"

TENANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SECOND: (
            "a run that waits for a second approval",
            "an edited run",
            "a run with a failed handoff",
        ),
        FIRST: tuple(RUNS),
    }
)
"""The runs of each tenant."""


def _is_changed(at: int, _: Forger, records: list[Record]) -> list[Record]:
    changed = attrs.evolve(records[at], body=f"{records[at].body} ")
    return [*records[:at], changed, *records[at + 1 :]]


def _is_missing(at: int, _: Forger, records: list[Record]) -> list[Record]:
    return [*records[:at], *records[at + 1 :]]


def _is_forged(at: int, forge: Forger, records: list[Record]) -> list[Record]:
    return [*records[:at], forge(records[at - 1].digest), *records[at + 1 :]]


DAMAGED = "a cancelled run"
"""Which run is damaged: there are texts in its last entry, and on both sides of its middle."""

DAMAGES: Mapping[str, tuple[Callable[..., list[Record]], Callable[[int], int]]] = MappingProxyType(
    {
        "a run with a changed entry": (_is_changed, lambda size: size // 2),
        "a run without its first entry": (_is_missing, lambda _: 0),
        "a run that misses an entry": (_is_missing, lambda size: size // 2),
        "a run with a forged entry": (_is_forged, lambda size: size // 2),
        "a run whose last entry is changed": (_is_changed, lambda size: size - 1),
    }
)
"""Damages of a journal, and the index of the entry that each one affects."""


def _open_damaged(made: Gallery, world: World, page: PageFactory, scope: Scope) -> None:
    """Open the page of a run after its journal is damaged; it was opened once before."""
    (whole,) = [page for page in made.runs if page.label == DAMAGED]
    run_id = whole.request.path.rpartition("/")[2]
    entry = world.scoria.get_run_detail(run_id).journal[1]
    (stored,) = world.store.read([run_id])
    for label, (change, place) in DAMAGES.items():
        at = place(stored.version)
        sound = made.marks.within("".join(each.body for each in stored.records[:at]))
        pen = made.marks.pen(label)

        def forge(before: str, pen: Pen = pen, at: int = at) -> Record:
            named = pen.name("type of the entry")
            return seal(attrs.evolve(entry, sequence=at + 1, type=named), before)[1]

        store = DamagedStore(world.store, run_id)
        scoria = world.facade(store, clock=world.clock)
        site = Site(page, scoria)
        site.ask(scope, whole.request)
        store.change = partial(change, at, forge)
        rows = scoria.list_runs_with_damaged(limit=1000)
        made.views += [row for row in rows if isinstance(row, DamagedRun)]
        for request in (whole.request, Request("/")):
            answer = site.ask(scope, request)
            opened = Page(
                request,
                answer,
                seen(answer.text),
                whole.tenant,
                label,
                sound=frozenset(mark.letters for mark in sound),
            )
            made.damaged.append(opened)


def _follow_links(made: Gallery, site: Site, scope: Scope, tenant: str) -> None:
    """Open the pages that a tenant's runs link to, and the pages that those link to."""
    pages = [page for page in made.runs if page.tenant == tenant]
    met = {page.request for page in pages}
    while pages and len(met) < MOST_PAGES:
        page = pages.pop(0)
        for request in links_of(page.request, page.seen.links):
            if request in met:
                continue
            met.add(request)
            answer = site.ask(scope, request)
            opened = Page(request, answer, seen(answer.text), tenant)
            pages.append(opened)
            made.lists.append(opened)
