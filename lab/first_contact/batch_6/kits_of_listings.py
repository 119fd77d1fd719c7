"""Kits that are wrong about the pages of an inbox, and about what is masked on a page."""

from collections.abc import Callable
from typing import Any, TypeVar

from werkzeug.test import Client

import scoria_web.masking
from lab.first_contact.batch_6.replacing import WHO, kit, replace
from scoria_core import NeedsApproval, RunSummary, Scoria, Step, StepSpec, listing, masking
from scoria_core.masking import Marks, Mask, Path
from scoria_core.run import Run
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app

T = TypeVar("T")


def make_forgotten_place() -> None:
    """The place of a page is looked for among the requests that are still open."""

    def passed(place: Any, here: Any, run: object) -> list[str]:
        if place is None or (place.since, place.run_id) != (here.since, here.run_id):
            return []
        if not isinstance(run, Run):
            return []
        asked = [each.approval_id for each in run.open_requests()]
        if place.approval_id is None:
            return asked
        return asked[: asked.index(place.approval_id) + 1] if place.approval_id in asked else []

    replace(listing, "_passed", passed)


def show_forgotten_place(make: Callable[[], None]) -> None:
    """Who decides the last request of a page does not find the others on the next one again."""
    make()

    def ask(step: Step, run: RunSummary) -> list[NeedsApproval]:
        return [NeedsApproval(tool_name=each, arguments={}, reason="Why") for each in "abc"]

    scoria = Scoria(MemoryStore(), handlers={"pay": ask})
    run = scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("pay", "agent"))
    first = scoria.list_approvals(limit=2)
    scoria.approve(run.run_id, approval_id=first[1].approval_id, decided_by="eve")
    second = scoria.list_approvals(limit=2, after=first.next)
    assert [each.tool_name for each in (*first, *second)] == ["a", "b", "c"]


def make_masked_by_name() -> None:
    """What the mask of a host says of a path is kept for each that ends with the same key."""
    masked_of = masking.masked

    def masked(value: T, mask: Mask, marks: Marks = Marks()) -> T:  # noqa: B008 - it is frozen
        known: dict[str | int, bool] = {}

        def by_name(path: Path) -> bool:
            if path[-1] not in known:
                known[path[-1]] = mask(path)
            return known[path[-1]]

        return masked_of(value, by_name, marks)

    replace(masking, "masked", masked)
    replace(scoria_web.masking, "masked_by", masked)


def show_masked_by_name(make: Callable[[], None]) -> None:
    """The page of a run shows where money goes to, though its host masks where it comes from."""
    make()
    paid = {"from": {"iban": "DE-OWN"}, "to": {"iban": "DE-THEIRS"}}
    scoria = Scoria(MemoryStore(), handlers={"pay": lambda step, run: paid})
    run = scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("pay", "agent"))
    app = evidence_app(
        scoria,
        scope=lambda environ: Scope("acme", "operator"),
        mask=lambda path: path == ("result", "from", "iban"),
    )
    page = Client(app).get(f"/workflows/{run.run_id}")
    if page.status_code != 200 or "DE-OWN" in page.text:
        raise RuntimeError(page.status)
    assert "DE-THEIRS" in page.text


WRONG = (
    kit("the-place-of-a-page-is-forgotten", "READ-25", make_forgotten_place, show_forgotten_place),
    kit("masked-by-the-last-key", "PAGE-9", make_masked_by_name, show_masked_by_name),
)
