"""The suite's scenarios for stores that last or are shared: right ones pass, wrong ones fail."""

import pytest

from scoria_conformance import Status, verify
from tests.support.scenarios import leave_out_all_but

pytestmark = pytest.mark.slow

OPENED = "lab.mutants.stores.opened"

ANSWERED = "Any sequence of calls is answered as the reference answers"
TOLD_CALLERS = "What callers are told by a store at once fits one order of their calls"
TOLD_PROCESSES = "What processes are told by a store at once fits one order of their calls"
TOLD_DECIDERS = "What callers who decide, resume and claim are told fits one order of their calls"
STOPPED = "Wherever a caller is stopped, another finds the store right"
KILLED_AT_WORK = "A process that is killed while its threads write and prune leaves every run whole"
KILLED = "Whoever is killed at a write loses nothing that was acknowledged"


def test_a_store_that_lasts_and_is_shared_passes_every_scenario() -> None:
    """Nothing is left out but what this store does not declare: the outbox, and to wake."""
    verdict = verify(f"{OPENED}:lasting", suite="store")
    assert verdict.exit_code == 0, [check for check in verdict.checks if check.reason]
    left_out = [check for check in verdict.checks if check.status != Status.PASSED]
    assert {check.status for check in left_out} == {Status.NOT_APPLICABLE}
    undeclared = ("does not declare outbox", "does not declare waking")
    assert all(check.reason.endswith(undeclared) for check in left_out)


WRONG = {
    "acknowledges_before_it_is_durable": {
        f"{KILLED_AT_WORK} (a line of its code)",
        f"{KILLED} (after)",
    },
    "a_batch_is_written_record_by_record": {f"{STOPPED} (appends to a run)"},
    "half_a_batch_is_there_after_a_kill": {f"{KILLED} (within)"},
    "memory_declared_durable": {"What was written outlives a store that is closed"},
    "processes_do_not_lock_each_other_out": {
        "Of several processes that append at one version, one succeeds"
    },
    "idempotency_keys_are_forgotten_on_reopen": {
        "Of several processes that create under one key, one gives all of them its run"
    },
    "a_process_reads_the_log_only_once": {"What one process stored, every other sees"},
    "byte_order_marks_are_dropped": {"Whatever is stored comes back as it was"},
    "line_endings_are_made_one_kind_on_reopen": {
        "Whatever is stored comes back as it was, from a store that is opened anew"
    },
    "byte_order_marks_of_objects_are_dropped": {
        "Whatever a host hands over comes back equal and in its order"
    },
    "due_runs_are_cut_before_they_are_filtered": {ANSWERED},
    "sessions_are_taken_for_patterns": {ANSWERED},
    "who_reads_while_another_writes_is_told_what_was_read_before": {
        f"{TOLD_CALLERS} (one run)",
        f"{TOLD_CALLERS} (16 runs)",
        f"{TOLD_PROCESSES} (one run)",
        f"{TOLD_PROCESSES} (3 runs)",
        f"{TOLD_DECIDERS} (one run, 12)",
        f"{TOLD_DECIDERS} (16 runs, 30)",
    },
    "a_lock_outlives_its_process": {
        "Of processes that are killed at their writes none takes the others with it"
    },
    "create_looks_at_every_run": {"The thousandth run costs what the first did"},
    "truncates_a_long_text": {ANSWERED},
    "letters_are_composed": {ANSWERED},
    "idempotency_across_tenants": {ANSWERED},
    "an_append_does_not_change_when_a_run_is_due": {ANSWERED},
    "close_does_nothing": {"A closed store says so"},
}
"""Mutants that break what they declare or their port, and the scenarios that say so."""


@pytest.mark.parametrize("store", WRONG)
def test_a_store_that_is_wrong_fails_for_that(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is caught by every scenario that says what it breaks."""
    leave_out_all_but(WRONG[store], monkeypatch)
    verdict = verify(f"{OPENED}:{store}", suite="store")
    failed = {check.name for check in verdict.checks if check.status == Status.FAILED}
    assert failed == WRONG[store]
    assert verdict.exit_code == 1
