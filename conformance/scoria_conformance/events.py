"""The events of a suite while it runs, one line of JSON each, for the process that started it.

A line is written before the event can crash the process. So a suite that breaks off leaves every
finished check, and the name of the scenario that was running.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from scoria_conformance.setting import Adapter
from scoria_conformance.verdict import Check
from scoria_core.conversion import converter


@attrs.frozen
class Events:
    """Writes the events of this process; a process that the target forked writes none."""

    path: Path
    _speaker: int = attrs.field(factory=os.getpid)

    def say(self, event: str, data: object) -> None:
        """Add a line."""
        if os.getpid() != self._speaker:
            # A child that the target forked would run every scenario a second time.
            os._exit(1)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([event, data]) + "\n")


@attrs.define
class Transcript:
    """The events that one process of a suite has written; `running` is its current scenario.

    `collected` are the digests of the scenarios it has to run. `unavailable` is why the target did
    not open; `garbled` means that another program wrote to the file.
    """

    collected: dict[str, str] = attrs.field(factory=dict)
    running: str = ""
    settled: list[str] = attrs.field(factory=list)
    checks: dict[str, Check] = attrs.field(factory=dict)
    adapter: Adapter = attrs.field(factory=Adapter)
    unavailable: dict[str, str] = attrs.field(factory=dict)
    ended: bool = False
    garbled: bool = False
    _read: int = 0

    def listen(self, path: Path) -> None:
        """Read the lines that were added; an incomplete line is left for the next time."""
        try:
            with path.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")
        except OSError:
            # Nothing was written yet, or the file was removed: then the missing checks are
            # reported.
            return
        self._read += len(whole[0]) + len(whole[1])
        for line in whole[0].splitlines():
            try:
                self._hear(*json.loads(line))
            except Exception:  # noqa: BLE001 - whatever was written there, it was not the suite
                self.garbled = True

    def _hear(self, event: str, data: Any) -> None:
        match event:
            case "unavailable":
                self.unavailable = dict(data)
            case "collected":
                self.collected = dict(data)
            case "started":
                self.running = str(data)
            case "adapter":
                self.adapter = converter.structure(data, Adapter)
            case "checked":
                self._note(data)
            case "finished":
                self.settled.append(str(data))
                self.running = ""
            case "ended":
                self.ended = True

    def _note(self, data: Mapping[str, Any]) -> None:
        """Keep the worst check of a scenario that was reported."""
        for case, told in data.items():
            check = converter.structure(told, Check)
            before = self.checks.get(case)
            if before is None or check.status.badness > before.status.badness:
                self.checks[case] = check
