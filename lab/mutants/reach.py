"""Which scenarios run which lines: what a scenario does not run cannot break it."""

import ast
import json
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import attrs


@attrs.define
class Reach:
    """The canary: it changes nothing, and writes down which lines of `modules` are run.

    What is run in a thread, or in a process that a scenario forks, counts as well.
    """

    log: Path
    modules: Collection[str]
    clause: str = ""
    _nodes: defaultdict[tuple[str, int], set[str]] = attrs.field(factory=lambda: defaultdict(set))

    def apply(self) -> None:
        """Write down, from here on, what is run in this process and in those it forks."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        seen = set[tuple[str, str, int]]()

        def ran(frame: FrameType, *_: object) -> Any:
            scenario = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
            line = (scenario, frame.f_globals["__name__"], frame.f_lineno)
            if line not in seen:
                seen.add(line)
                os.write(log, json.dumps(line).encode() + b"\n")
            return ran

        def called(frame: FrameType, *_: object) -> Any:
            return ran if frame.f_globals.get("__name__") in self.modules else None

        threading.settrace(called)
        sys.settrace(called)

    def read(self) -> None:
        """Take in what was written down."""
        for written in self.log.read_text("utf-8").splitlines():
            scenario, module, line = json.loads(written)
            self._nodes[module, line].add(scenario)

    def runs(self, node: str, module: str, lines: range) -> bool:
        """Tell whether a scenario runs any of these lines; where there are none, each counts."""
        return not lines or any(node in self._nodes.get((module, line), ()) for line in lines)


def run_with(tree: ast.Module, line: int) -> range:
    """Return the lines of which one is run wherever `line` matters.

    Those of its statement, without the statements within; of its function, where that is in its
    head; and none for what is run as the module is imported.
    """
    around = list(_around(tree, line))
    if not any(isinstance(each, ast.FunctionDef) for each in around):
        return range(0)
    return _head(around[-1])


def _around(tree: ast.AST, line: int) -> Iterator[ast.stmt]:
    """Yield the statements that a line is in, from the outermost in."""
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, ast.stmt) and each.lineno <= line <= (each.end_lineno or each.lineno):
            yield each
        yield from _around(each, line)


def _head(statement: ast.stmt) -> range:
    whole = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    if isinstance(statement, ast.If | ast.For | ast.While | ast.With):
        return range(statement.lineno, max(statement.body[0].lineno, statement.lineno + 1))
    return whole
