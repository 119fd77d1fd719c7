"""What a type checker tells a host: a wrong handler or a misspelt option, before it runs."""

import inspect
import re
import sys
from pathlib import Path
from typing import get_type_hints

from scoria_core import Scoria
from scoria_core.scoria import ScoriaOptions
from tests.support import ROOT
from tests.support.external import told_wrong

SAMPLE = """\
import asyncio
from collections.abc import Awaitable
from typing import Any

from scoria_core import (
    Completed, Handler, HandlerAnswer, Handlers, NeedsApproval, Outcome, RunStatus, RunSummary,
    Scoria, Step,
)


def asks(step: Step, run: RunSummary) -> NeedsApproval | dict[str, Any]:
    if step.approval is None:
        return NeedsApproval(tool_name="t", arguments={}, reason="r")
    return {"sent": True}


async def later(step: Step, run: RunSummary) -> Completed:
    await asyncio.sleep(0)
    return Completed()


def any_of_them(step: Step, run: RunSummary) -> Outcome:
    return Completed()


def nothing(step: Step, run: RunSummary) -> None:
    return None


def either(step: Step, run: RunSummary) -> HandlerAnswer | Awaitable[HandlerAnswer]:
    return later(step, run)


def number(step: Step, run: RunSummary) -> int:
    return 42


async def number_later(step: Step, run: RunSummary) -> int:
    return 42


def one_argument(step: Step) -> None:
    return None


good: Handlers = {"a": asks, "b": later, "c": any_of_them, "d": nothing, "e": either, "f": "m:f"}
short: Handler = lambda step, run: {"kind": step.kind}
wrong_number: Handlers = {"a": number}  # wrong
wrong_later: Handlers = {"a": number_later}  # wrong
wrong_lambda: Handlers = {"a": lambda step, run: 42}  # wrong
wrong_arguments: Handlers = {"a": one_argument}  # wrong

scoria = Scoria.open("memory://", dispatch="thread", lease=5, handlers=good)
Scoria.open("memory://", dispach="thread")  # wrong
Scoria.open("memory://", lease="long")  # wrong
Scoria.open("memory://", handlers={"a": number})  # wrong
status: RunStatus = scoria.get_run("r").status
"""


def test_a_type_checker_sees_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    """Each marked line of a host's code is refused by mypy --strict, and no other."""
    sample = tmp_path / "host.py"
    sample.write_text(SAMPLE, "utf-8")
    marked = [n for n, line in enumerate(SAMPLE.splitlines(), 1) if line.endswith("# wrong")]
    options = ["--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}"]
    said = told_wrong([sys.executable, "-m", "mypy", *options, str(sample)], cwd=ROOT)
    found = {int(line) for line in re.findall(r"host\.py:(\d+): error", said)}
    assert sorted(found) == marked, said


def test_the_options_of_open_are_those_of_the_class() -> None:
    """`open` takes each keyword of the class that is public, of the same type, and no other."""
    keywords = {
        name: parameter
        for name, parameter in inspect.signature(Scoria).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not name.startswith("_")
    }
    hints = get_type_hints(Scoria.__init__)
    assert get_type_hints(ScoriaOptions) == {name: hints[name] for name in keywords}
    assert ScoriaOptions.__required_keys__ == frozenset()
    assert all(each.default is not inspect.Parameter.empty for each in keywords.values())
