"""Which scenarios run which functions: what a scenario does not run cannot break it."""

import json
import os
import sys
import threading
from functools import cached_property
from pathlib import Path
from types import FrameType

import attrs
import pytest


@attrs.define(slots=False)
class Reach:
    """The canary: it changes nothing, and writes down which functions of `modules` are called.

    What is called in a thread, or in a process that a scenario forks, counts as well.
    """

    log: Path
    modules: frozenset[str]
    clause: str = ""

    def apply(self) -> None:
        """Write down, from here on, what is called in this process and in those it forks."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        seen = set[tuple[str, str, str]]()

        def called(frame: FrameType, *_: object) -> None:
            module = frame.f_globals.get("__name__")
            if module in self.modules:
                scenario = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
                call = (scenario, module, frame.f_code.co_qualname)
                if call not in seen:
                    seen.add(call)
                    os.write(log, json.dumps(call).encode() + b"\n")

        threading.settrace(called)
        sys.settrace(called)

    def runs(self, item: pytest.Item, module: str, function: str) -> bool:
        """Tell whether a scenario calls a function; what has no function every scenario runs."""
        return not function or (item.nodeid, module, function) in self._calls

    @cached_property
    def _calls(self) -> frozenset[tuple[str, ...]]:
        lines = self.log.read_text("utf-8").splitlines()
        return frozenset((scenario, *call) for scenario, *call in map(json.loads, lines))
