"""`python -m lab.first_contact BATCH`: how many of a batch the suite fails, each in a process.

`check` runs the scripts that show each to be wrong; `meet` puts each to the suite.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import click

from lab.first_contact.wrong import BATCH, KINDS, NAME, SIDE, Wrong, batch, named
from scoria_conformance.verdict import Status
from scoria_conformance.verify import Progress, verify

BROKEN = 10
"""The exit code of a script that found a promise broken."""

FAULTY = 3
"""The exit code of a script whose page could not be made: that shows no promise broken."""

PATIENCE = 120
"""How many seconds a script may take."""


class Stop(Exception):
    """A check has failed: what the others say does not matter."""


@attrs.frozen
class Meeting:
    """What the suite made of a wrong implementation."""

    wrong: Wrong
    status: str
    failed: str

    @property
    def is_killed(self) -> bool:
        """Tell whether the suite failed it."""
        return self.status == Status.FAILED

    @property
    def word(self) -> str:
        """Say what became of it; a suite that could not run has said nothing of it."""
        fates: dict[str, str] = {Status.FAILED: "killed", Status.PASSED: "SURVIVED"}
        return fates.get(self.status, "NOT MET")


class Faults(logging.Handler):
    """Counts the pages that could not be made."""

    def __init__(self) -> None:
        """Have met none."""
        super().__init__()
        self.met = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one, where that is what is told."""
        self.met += record.getMessage() == "the page could not be made"


@click.group()
def main() -> None:
    """Measure the suite by wrong implementations that nobody wrote for it."""


@main.command()
@click.argument("name")
@click.option("--only", default="", help="Those with this in their kind or name.")
def check(name: str, only: str) -> None:
    """Show that each of a batch is wrong, and that without its fault it is not."""
    wrongs = _asked(name, only)
    bad = [problem for wrong in wrongs for problem in _problems(name, wrong)]
    for problem in bad:
        click.echo(problem)
    click.echo(f"{len(wrongs)} checked, {len(bad)} scripts do not hold")
    sys.exit(bool(bad))


def _problems(name: str, wrong: Wrong) -> Iterator[str]:
    for side, expected in (("right", 0), ("make", BROKEN)):
        try:
            ended = _run("show", name, wrong.name, side, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            yield f"{wrong.kind} {wrong.name!r}, {side}: no end within {PATIENCE} seconds"
            continue
        if ended.returncode != expected:
            yield f"{wrong.kind} {wrong.name!r}, {side}: exit {ended.returncode}: {ended.stderr}"


@main.command()
@click.argument("name")
@click.argument("wrong")
@click.argument("side", type=click.Choice(["right", "make"]))
def show(name: str, wrong: str, side: str) -> None:
    """Run one script in this process."""
    found, faults = named(name, wrong), Faults()
    logging.getLogger("scoria.web").addHandler(faults)
    code = 0
    try:
        if found.kind == "store":
            with tempfile.TemporaryDirectory() as directory:
                found.show(getattr(found, side), Path(directory))
        else:
            found.show(getattr(found, side))
    except AssertionError:
        code = BROKEN
    code = FAULTY if found.kind == "page" and faults.met else code
    sys.stdout.flush()
    os._exit(code)  # its threads and its patches end with it


@main.command()
@click.argument("name")
@click.option("--only", default="", help="Those with this in their kind or name.")
@click.option("--at-once", default=1, help="How many suites at once.")
def meet(name: str, only: str, at_once: int) -> None:
    """Put each of a batch to the suite, until its first failed check."""
    with ThreadPoolExecutor(at_once) as pool:
        met: list[Meeting] = []
        for meeting in pool.map(lambda wrong: _met(name, wrong), _asked(name, only)):
            met.append(meeting)
            wrong = meeting.wrong
            told = meeting.failed if meeting.is_killed else meeting.status
            click.echo(f"{meeting.word:8} {wrong.kind:5} {wrong.clause:11} {wrong.name}: {told}")
    for line in _rates(met):
        click.echo(line)


@main.command()
@click.argument("name")
@click.option("--only", default="", help="Those with this in their kind or name.")
def control(name: str, only: str) -> None:
    """Put what each is without its fault to the suite, by the same road: all of it must pass."""
    rights = {wrong.right: wrong for wrong in _asked(name, only)}
    bad = 0
    for wrong in rights.values():
        meeting = _met(name, wrong, "right")
        bad += meeting.status != Status.PASSED
        told = f"{meeting.status} {meeting.failed}"
        click.echo(f"{wrong.kind:5} {wrong.name}, without the fault: {told}")
    click.echo(f"{len(rights)} put to the suite, {bad} not passed")
    sys.exit(bool(bad))


def _met(name: str, wrong: Wrong, side: str = "make") -> Meeting:
    ended = _run("one", name, wrong.name, side)
    if ended.returncode != 0:
        return Meeting(wrong, f"exit {ended.returncode}: {ended.stderr[-300:]}", "")
    return Meeting(wrong, **json.loads(ended.stdout.splitlines()[-1]))


@main.command()
@click.argument("name")
@click.argument("wrong")
@click.argument("side", type=click.Choice(["right", "make"]))
def one(name: str, wrong: str, side: str) -> None:  # noqa: ARG001 - the target reads it
    """Put one to the suite in this process; print what became of it."""
    found, here = named(name, wrong), "lab.first_contact.target"
    failed: list[str] = []

    def stop_at_failure(progress: Progress) -> None:
        if progress.failed:
            failed.append(progress.running)
            raise Stop

    try:
        for asked in _suites(found.kind):
            verdict = verify(f"{here}:{asked.pop('target')}", tell=stop_at_failure, **asked)
            if verdict.status != Status.PASSED:
                break
    except Stop:
        click.echo(json.dumps({"status": Status.FAILED, "failed": f"near {failed[0]!r}"}))
        return
    names = [each.name for each in verdict.checks if each.status == Status.FAILED]
    click.echo(json.dumps({"status": verdict.status, "failed": "; ".join(names[:3])}))


def _suites(kind: str) -> list[dict[str, Any]]:
    """Return what `verify` is asked, the suite that is most about this kind first."""
    here = "lab.first_contact.target"
    if kind == "host":
        return [{"target": "app", "host": f"{here}:connect"}]
    page = f"{here}:make_page" if kind == "page" else "scoria_cli.page:page"
    whole = {"target": "open_store", "page": page}
    return [whole] if kind == "kit" else [{**whole, "suite": kind}, whole]


def _asked(name: str, only: str) -> list[Wrong]:
    return [each for each in batch(name) if only in f"{each.kind} {each.name}"]


def _run(*words: str, timeout: float | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, BATCH: words[1], NAME: words[2], SIDE: words[3]}
    command = [sys.executable, "-m", "lab.first_contact", *words]
    return subprocess.run(  # noqa: S603 - the words are those of a batch
        command, capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )


def _rates(met: Iterable[Meeting]) -> Iterator[str]:
    met = list(met)
    for kind in [*KINDS, ""]:
        of_kind = [each for each in met if kind in ("", each.wrong.kind)]
        if of_kind:
            killed = Counter(each.is_killed for each in of_kind)[True]
            share = 100 * killed / len(of_kind)
            yield f"{kind or 'all'}: {killed} of {len(of_kind)} killed, {share:.0f} %"


if __name__ == "__main__":
    main()
