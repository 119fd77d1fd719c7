"""What a suite says while it runs, a line of JSON each: who started it reads along.

A line is written before what it tells of can crash the process, so that a suite that breaks off
leaves every check it came to, and the name of the one it was in.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from scoria_conformance.setting import Adapter
from scoria_conformance.verdict import Check, Status
from scoria_core.conversion import converter


@attrs.frozen
class Events:
    """Where a suite says what it does."""

    path: Path

    def say(self, event: str, data: object) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([event, data]) + "\n")


@attrs.define
class Heard:
    """What a suite has said so far; `running` is the scenario it is in.

    `names` are all that it knows scenarios by, `collected` the node ids of those it is to run.
    """

    names: frozenset[str] = frozenset()
    collected: frozenset[str] = frozenset()
    running: str = ""
    checks: dict[str, Check] = attrs.field(factory=dict)
    adapter: Adapter = attrs.field(factory=Adapter)
    _read: int = 0

    def listen(self, path: Path) -> None:
        """Read the lines that were added; half a line is left for the next time."""
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")
        self._read += len(whole[0]) + len(whole[1])
        for line in whole[0].splitlines():
            self._hear(*json.loads(line))

    def _hear(self, event: str, data: Any) -> None:
        match event:
            case "known":
                self.names = frozenset(data)
            case "collected":
                self.collected = frozenset(data)
            case "started":
                self.running = data
            case "adapter":
                self.adapter = converter.structure(data, Adapter)
            case "checked":
                self.checks.update(_checks(data))

    @property
    def missing(self) -> frozenset[str]:
        """What was collected and not reported."""
        return self.collected - {*self.checks}

    @property
    def failed(self) -> int:
        """How many checks failed so far."""
        return sum(check.status == Status.FAILED for check in self.checks.values())


def _checks(data: Mapping[str, Any]) -> dict[str, Check]:
    return {node: converter.structure(check, Check) for node, check in data.items()}
