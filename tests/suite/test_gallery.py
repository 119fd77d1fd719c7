"""The runs and texts that pages are tried with: nothing that a page may show is left out."""

from pathlib import Path

import attrs
import pytest

from scoria_cli.page import page
from scoria_conformance.acts import ON_A_RUN, PEOPLE, REFUSED, RULES, acts
from scoria_conformance.gallery import Gallery, gallery
from scoria_conformance.markers import (
    MADE_BY_THE_KIT,
    UNSEEN,
    UNSEEN_OF_TEXT,
    Marks,
    text_fields,
    texts_of,
)
from scoria_conformance.world import World
from scoria_core.lifecycles import ApprovalStatus, HandoffStatus, RunStatus, StepStatus
from scoria_core.model import DamagedRun, RunDetail
from scoria_core.payloads import name_problem
from scoria_core.visible import visible_block
from scoria_memory import MemoryStore

FIELDS = text_fields(RunDetail) | text_fields(DamagedRun)


@pytest.fixture
def pages(tmp_path: Path) -> Gallery:
    """Return every page of the shipped app, over a store in memory."""
    return gallery(World(lambda _: MemoryStore(), tmp_path), page)


def test_each_text_field_of_each_view_is_hostile_somewhere(pages: Gallery) -> None:
    """A field that is added to a view needs a marked text, or is one that the kit alone writes."""
    assert set(pages.held()) == FIELDS - MADE_BY_THE_KIT
    assert MADE_BY_THE_KIT <= FIELDS


def test_each_state_of_each_lifecycle_is_on_a_page(pages: Gallery) -> None:
    """A state that is added to a lifecycle needs a run in the gallery."""
    details = [shown.detail for shown in pages.runs if shown.detail is not None]
    steps = {step.status for detail in details for step in detail.steps}
    approvals = {approval.status for detail in details for approval in detail.approvals}
    handoffs = {each.status for detail in details for each in detail.delegated_handoffs}
    assert {detail.summary.status for detail in details} == set(RunStatus)
    assert (steps, approvals, handoffs) == (
        set(StepStatus),
        set(ApprovalStatus),
        set(HandoffStatus),
    )
    assert max(len(detail.approvals) for detail in details) > 1


@attrs.frozen
class Tone:
    """A view inside a view."""

    words: tuple[str, ...]
    level: int


@attrs.frozen
class Widened:
    """A view as it might be one day."""

    note: str | None
    tone: Tone | None
    status: RunStatus
    detail: dict[str, object]


def test_the_text_fields_of_a_class_are_found_in_what_it_is_made_of() -> None:
    """Optional texts, tuples, mappings and classes within are; numbers and states are not."""
    assert text_fields(Widened) == {"Widened.note", "Tone.words", "Widened.detail"}
    widened = Widened("a", Tone(("b", "c"), 1), RunStatus.RUNNING, {"d": ["e", {"f": 1}]})
    assert list(texts_of(widened)) == [
        ("Widened.note", "a"),
        ("Tone.words", "b"),
        ("Tone.words", "c"),
        ("Widened.detail", "d"),
        ("Widened.detail", "e"),
        ("Widened.detail", "f"),
    ]


def test_marked_texts_are_as_hostile_as_their_fields_let_them_be() -> None:
    """A name takes what a name may be; a text has the rest; each character of both is unseen."""
    pen = Marks().pen("a run")
    name, text = pen.name("role_id"), pen.text("reason")
    assert name_problem(name) is None
    assert set(UNSEEN) <= set(name)
    assert set(UNSEEN_OF_TEXT) <= set(text)
    for character in UNSEEN + UNSEEN_OF_TEXT:
        assert visible_block(character) != character
    assert all(name_problem(f"a{character}b") for character in UNSEEN_OF_TEXT)


def test_each_act_of_a_driver_has_its_rule() -> None:
    """A method that is added to `HostSession` needs a row that says who may do it."""
    assert set(RULES) == set(acts())
    assert set(ON_A_RUN) == {"read", "evidence", "approve", "resume"}
    for act, rule in RULES.items():
        assert any(rule.of(who) == REFUSED for who in PEOPLE), act
