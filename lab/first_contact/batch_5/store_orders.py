"""Stores whose pages are in another order, or have others in them, than they should."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.first_contact.batch_3.tools import AT, wrong_store
from lab.first_contact.batch_5.tools import AsksForLabels, PlacesLabels, Query, Start, ask, found
from scoria_sqlite.store import LABELLED, _number, _run_ids

MOST = 2**63 - 1


class OrWithoutBrackets(AsksForLabels):
    """STORE-39: a tie with the start of a page is listed whatever its tenant and its label."""

    def query(self, tenant_id: str | None, label: str | None, limit: int, start: Start) -> Query:
        """Ask for a later time, or the same and no smaller id."""
        since = start and _number(start[0])
        first = start and (since, since, start[1])
        asked = {
            "tenant_id = ?": tenant_id,
            "label = ?": label,
            "since > ? OR since = ? AND run_id >= ?": first,
        }
        return _run_ids(LABELLED if label is None else "label", asked, "since, run_id", limit)


def show_brackets(make: Any, directory: Path) -> None:
    """Assert that a page has no run of another tenant that waits since the time it starts at."""
    store = make(directory)
    ask(store, "run-1", "tool:refund")
    ask(store, "run-2", "tool:refund", tenant="other")
    assert found(store, "tool:refund", tenant_id="acme", start=(AT, "run-1")) == ["run-1"]


class TenLabelsEach(AsksForLabels):
    """STORE-40: a page of any label is too short where its runs have more than ten each."""

    def query(self, tenant_id: str | None, label: str | None, limit: int, start: Start) -> Query:
        """Ask for the runs of ten times as many labels, where a run may be found by any."""
        if label is not None:
            return super().query(tenant_id, label, limit, start)
        first = start and (_number(start[0]), start[1])
        asked = {"tenant_id = ?": tenant_id, "(since, run_id) >= (?, ?)": first}
        entries, given = _run_ids("label", asked, "since, run_id", min(10 * limit, MOST))
        query, _ = _run_ids("run", {f"run_id IN ({entries})": ()}, "since, run_id", limit)
        return query, (*given, limit)


def show_ten(make: Any, directory: Path) -> None:
    """Assert that a page is as long as it can be, also where a run has many labels."""
    store = make(directory)
    ask(store, "run-1", *(f"assigned:user-{n}" for n in range(25)))
    ask(store, "run-2", "assigned:user-1")
    assert found(store, limit=2) == ["run-1", "run-2"]


class SecondsCutToZero(PlacesLabels):
    """STORE-33: before 1970, a whole second comes before the fractions that lead to it."""

    def place(self, since: datetime, run_id: str) -> Any:
        """Return two numbers, as a column of seconds and one of microseconds have them."""
        return int(since.timestamp()), since.microsecond, run_id


def show_seconds(make: Any, directory: Path) -> None:
    """Assert that who waits longest comes first, also where that began long ago."""
    store = make(directory)
    ask(store, "run-2", "tool:refund", since=datetime(1960, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC))
    ask(store, "run-1", "tool:refund", since=datetime(1960, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert found(store, "tool:refund") == ["run-2", "run-1"]


class TiesInUtf16(PlacesLabels):
    """STORE-39: of runs since the same time, compares the ids in UTF-16, and not by code point."""

    def place(self, since: datetime, run_id: str) -> Any:
        """Return the time, and the id as other languages have it."""
        return since, run_id.encode("utf-16-be", "surrogatepass")


def show_utf16(make: Any, directory: Path) -> None:
    """Assert that ids are in the order of their code points, also those beyond the first 65,536."""
    store, run_ids = make(directory), ["run-\uff01", "run-\U0001f600"]
    for each in run_ids:
        ask(store, each, "tool:refund")
    assert found(store, "tool:refund") == run_ids


WRONG = (
    wrong_store("or_without_brackets", "STORE-39", OrWithoutBrackets, show_brackets),
    wrong_store("ten_labels_each", "STORE-40", TenLabelsEach, show_ten),
    wrong_store("seconds_cut_to_zero", "STORE-33", SecondsCutToZero, show_seconds),
    wrong_store("ties_in_utf16", "STORE-39", TiesInUtf16, show_utf16),
)
