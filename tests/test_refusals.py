"""What the suite's lifecycles do not say of a move that is refused, or comes too late."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from scoria_conformance.scenes import REACH, WHILE_HANDLED, Scene
from scoria_conformance.world import World
from scoria_core.lifecycles import MACHINES, states
from scoria_core.ports import RunStore


def test_every_state_has_its_scene() -> None:
    """No state of any machine is without a way to it, and none has two."""
    reachable = {pair for subject in MACHINES for pair in product([subject], states(subject))}
    assert set(REACH) | set(WHILE_HANDLED) == reachable
    assert not set(REACH) & set(WHILE_HANDLED)


@pytest.mark.parametrize("trigger", ["complete", "fail", "request_approval", "cancel", "release"])
def test_a_handler_whose_step_moved_on_is_too_late(
    make_store: Callable[[], RunStore], tmp_path: Path, trigger: str
) -> None:
    """What a handler answers after its step was moved by another is not recorded."""
    scene = Scene(World(lambda _: make_store(), tmp_path))
    scene.reach("step", "running")
    scene.move(trigger)
    before = scene.seen()
    scene.leave()
    assert scene.seen() == before
