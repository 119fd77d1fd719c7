from collections.abc import Callable

from scoria_core import Identity, Scoria, StepSpec
from scoria_core.conflicts import CONFLICTS
from tests.support.scripted import in_memory


@in_memory
def test_a_change_that_came_second_is_counted(
    make_scoria: Callable[..., Scoria], identity: Identity
) -> None:
    """Another facade was first, so that this one had to decide again; the first had not to."""
    one, other = make_scoria(), make_scoria()
    run = one.start_run(identity, root_role_id="executor")
    other.get_run(run.run_id)
    before = CONFLICTS.count
    one.add_step(run.run_id, StepSpec("a", "executor"))
    assert CONFLICTS.count == before
    other.add_step(run.run_id, StepSpec("b", "executor"))
    assert CONFLICTS.count == before + 1
    assert [each.kind for each in one.get_run_detail(run.run_id).steps] == ["a", "b"]
