"""A journal in a dict: what Python itself costs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from threading import Lock

from lab.bench.candidates.raw import RawRuns, Row
from lab.bench.place import Place


class MemoryJournal:
    """Texts of each run, in memory."""

    def __init__(self) -> None:
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = Lock()

    def write(self, row: Row) -> None:
        """Keep a row."""
        self.fill([row])

    def fill(self, rows: Iterable[Row]) -> None:
        """Keep many rows."""
        with self._lock:
            for run_id, _, text in rows:
                self._texts[run_id].append(text)

    def read(self, run_id: str) -> Sequence[str]:
        """Return the texts of a run."""
        with self._lock:
            return tuple(self._texts[run_id])

    def close(self) -> None:
        """Let go of everything."""
        self._texts.clear()


def open_candidate(place: Place) -> RawRuns:
    """Open W on memory; the place is not used."""
    del place
    return RawRuns(MemoryJournal())
