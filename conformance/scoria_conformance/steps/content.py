"""Steps that generate content, and look for the smallest that reads back as something else."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as made_up
from pytest_bdd import given as given_that
from pytest_bdd import parsers, then

from scoria_conformance.deciding import STORIES, Telling
from scoria_conformance.stored_runs import StoredRuns, index_row, numbered, run_key
from scoria_conformance.world import KIND, World
from scoria_core import Completed, NeedsApproval, ScoriaError, StepSpec
from scoria_core.ports import Capability, Record

EXAMPLES = 60
"""How many examples are generated for each property."""

ODD = (
    "\t\n\r\\\"'%_;\x1b\x7f\x85\u00a0\u0301\u200d\u2028\u202e\ufeff\ufffd\uffff\U0001f30b\U0010ffff"
)

# Not `characters()`: that caches a table of Unicode in the directory of the user.
_CHARACTERS = (
    made_up.integers(1, 0x7F).map(chr)
    | made_up.sampled_from(ODD)
    | made_up.integers(0x80, 0xD7FF).map(chr)
    | made_up.integers(0xE000, 0x10FFFF).map(chr)
)
TEXTS = made_up.lists(_CHARACTERS, max_size=12).map("".join)
"""Unicode text without NUL and without half of a surrogate pair."""

BATCHES = made_up.lists(
    made_up.lists(made_up.tuples(TEXTS, TEXTS), min_size=1, max_size=4), min_size=1, max_size=3
)
"""The batches of a run, digest and body of each record: one to create it, others to append."""

NUMBERS = (
    made_up.integers(-3, 3)
    | made_up.sampled_from([1 << 53, (1 << 63) - 1, 1 << 63, -(1 << 64), 10**30, 1.0, -0.0, 1e22])
    | made_up.integers(-(10**40), 10**40)
    | made_up.floats(allow_nan=False, allow_infinity=False)
)
PAYLOADS = made_up.dictionaries(
    TEXTS,
    made_up.recursive(
        made_up.none() | made_up.booleans() | NUMBERS | TEXTS,
        lambda inner: (
            made_up.lists(inner, max_size=4) | made_up.dictionaries(TEXTS, inner, max_size=4)
        ),
        max_leaves=10,
    ),
    max_size=5,
)
"""JSON objects of every kind of value, nested, with keys in any order."""


SHORTENED = 200
"""How many smaller examples are tried after one has failed."""

STORIES_TOLD = 200
"""How many stories of runs with requests for approval are played."""

STORIES_TOLD_DURABLY = 50
"""How many over a durable store: its writes take long, and the kit is the same over every store."""


def _holds_for(
    content: made_up.SearchStrategy[Any],
    scoria_seed: int,
    check: Callable[[Any], None],
    examples: int = EXAMPLES,
) -> None:
    """Check generated content; after a failure, try a limited number of smaller examples."""
    failed: dict[str, BaseException] = {}
    tried_since = 0

    def check_until_short(made: Any) -> None:
        nonlocal tried_since
        # Hypothesis runs a failing example again, and calls it flaky unless it fails as before.
        if (known := failed.get(repr(made))) is not None:
            raise known
        if failed and (tried_since := tried_since + 1) > SHORTENED:
            return
        try:
            check(made)
        except BaseException as error:
            failed[repr(made)] = error
            raise

    chosen = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    seed(scoria_seed)(chosen(given(content)(check_until_short)))()


@given_that("a store that lasts")
def _a_store_that_lasts(stored: StoredRuns) -> None:
    stored.need(Capability.DURABLE)


@then(parsers.re("whatever records are stored read back equal(?P<later>, once it is opened anew)?"))
def _whatever_records_are_stored_read_back_equal(
    stored: StoredRuns, scoria_seed: int, later: str | None
) -> None:
    def check(content: Any) -> None:
        run_id, expected = _stored(stored, content)
        if later:
            stored.world.close()
            stored.world.open()
        found = list(stored.world.records_of(run_id))
        assert found == expected, f"stored as {expected!a}, read as {found!a}"

    _holds_for(BATCHES, scoria_seed, check)


def _stored(stored: StoredRuns, batches: list[list[tuple[str, str]]]) -> tuple[str, list[Record]]:
    """Store the batches as a new run; return its id and all of its records."""
    run_id, store = numbered(len(stored.journals) + 1), stored.world.store
    kept: list[Record] = []
    for batch in batches:
        new = [Record(len(kept) + 1 + place, *texts) for place, texts in enumerate(batch)]
        if kept:
            store.append(run_id, new, expected_version=len(kept), row=index_row())
        else:
            store.create(run_key(run_id), new, row=index_row())
        kept += new
    stored.journals[run_id] = kept
    return run_id, kept


@then("whatever payload is handed over reads back equal and in its order")
def _whatever_payload_is_handed_over_reads_back(world: World, scoria_seed: int) -> None:
    def check(payload: Any) -> None:
        handed_over = json.dumps(payload)
        try:
            places = _read_back(world, payload)
        except ScoriaError as error:
            raise AssertionError(f"handed over as {handed_over}: {error}") from error
        for place, found in places.items():
            read = json.dumps(found)
            assert read == handed_over, f"{place}: handed over as {handed_over}, read as {read}"

    _holds_for(PAYLOADS, scoria_seed, check)


@then("any story of a run is told as the reference tells it")
def _any_story_of_a_run_is_told_as_the_reference(world: World, scoria_seed: int) -> None:
    is_durable = Capability.DURABLE in world.store.capabilities
    told = STORIES_TOLD_DURABLY if is_durable else STORIES_TOLD
    _holds_for(STORIES, scoria_seed, lambda story: Telling(world, story).tell(), told)


def _read_back(world: World, payload: dict[str, Any]) -> dict[str, Any]:
    """Pass a payload in wherever a run takes one, and return what is read in each place."""
    asked = NeedsApproval(
        tool_name="tool",
        arguments={"proposed": payload},
        reason="It asks",
        may_edit=True,
        answer_schema={},
        keep=payload,
    )
    handlers = {KIND: lambda step, _: Completed(payload) if step.approval else asked}
    run = world.scoria.start_run(
        world.identity(metadata=payload),
        root_role_id="executor",
        metadata=payload,
        initial_step=StepSpec(KIND, "executor", payload),
        handlers=handlers,
    )
    assert run.pending_approval is not None
    world.scoria.approve(
        run.run_id,
        approval_id=run.pending_approval.approval_id,
        decided_by="reviewer-7",
        arguments={"approved": payload},
        answer=payload,
    )
    world.scoria.resume_run(run.run_id, handlers=handlers)
    detail = world.another_host.get_run_detail(run.run_id)
    (step,), (approval,) = detail.steps, detail.approvals
    return {
        "metadata": detail.summary.metadata,
        "the metadata of its identity": detail.identity.metadata,
        "the input of its step": step.input,
        "the result of its handler": step.result,
        "what its handler kept": step.kept,
        "what was proposed": approval.proposed_arguments["proposed"],
        "what was approved": approval.arguments["approved"],
        "the answer of a person": approval.answer,
    }
