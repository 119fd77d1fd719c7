"""`python -m lab.mutants lifecycles|adapters|operators TARGET`: what is noticed."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.mutants import adapters, matrix
from lab.mutants.experiment import Experiment, Fate, Finding
from lab.mutants.lifecycles import changes
from lab.mutants.report import exit_code, report
from lab.mutants.wrong import declared
from scoria_conformance.target import Target
from scoria_conformance.verify import SUITES
from scoria_core.errors import ScoriaError


def main(arguments: list[str]) -> int:
    """Try the mutants that are asked for and print what became of them; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        Target(asked.target).check()
        if asked.page is not None:
            Target(asked.page).named()
    except ScoriaError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    code: int = asked.run(asked)
    return code


def _lifecycles(asked: argparse.Namespace) -> int:
    tried = [change for change in changes() if asked.only in str(change)]
    experiment = Experiment(tried, Progress(tried), hand_written=asked.hand_written)
    experiment.run(asked.target, asked.page, asked.suite)
    _print(report(experiment))
    return exit_code(experiment)


def _adapters(asked: argparse.Namespace) -> int:
    try:
        known = declared(asked.declared or adapters.CATALOGUES)
    except Exception as error:  # noqa: BLE001 - whatever it is, no mutant of it was tried
        _print([f"mutants cannot be read: {type(error).__name__}: {error}"])
        return 2
    tried = [mutant for mutant in known if asked.only in f"{mutant.clause} {mutant}"]
    whole = tried == known and not asked.own_clause
    where = asked.target, asked.page
    found = adapters.try_all(tried, Progress(tried), *where, own_clause=asked.own_clause)
    _print(matrix.report(found, whole=whole))
    if asked.matrix is not None:
        found.write(asked.matrix)
    return found.exit_code(whole=whole)


def _operators(asked: argparse.Namespace) -> int:
    # cosmic-ray comes with the development environment; the other commands do without it.
    from lab.mutants import operators, score

    try:
        known = [each for module in asked.modules for each in operators.mutations(module)]
    except Exception as error:  # noqa: BLE001 - whatever it is, no mutant of it was tried
        _print([f"modules cannot be read: {type(error).__name__}: {error}"])
        return 2
    tried = [mutant for mutant in known if asked.only in str(mutant)]
    progress = Progress(tried)

    def told(finding: Finding) -> None:
        progress(finding)
        if finding.fate != Fate.KILLED:  # at once: the last may be an hour away
            _print([score.row(finding)])

    where = asked.target, asked.page, asked.suite
    experiment = operators.try_all(tried, told, *where, at_once=asked.at_once)
    _print(score.report(experiment))
    return score.exit_code(experiment)


class Progress:
    """Says how far it is, for a person who waits."""

    def __init__(self, tried: Sequence[object]) -> None:
        self.all, self.done, self.alive = len(tried), 0, 0

    def __call__(self, finding: Finding) -> None:
        """Count one more."""
        self.done += 1
        self.alive += finding.fate != Fate.KILLED
        end = "\n" if self.done == self.all else "\r"
        said = f"{self.done} of {self.all} tried, {self.alive} not killed"
        print(said, end=end, file=sys.stderr, flush=True)  # noqa: T201 - this is a command


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - this is a command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.mutants",
        description="Make something wrong on purpose, and see the features fail.",
    )
    what = parser.add_subparsers(required=True, metavar="what")
    lifecycles = what.add_parser("lifecycles", help="the declared machines, one entry at a time")
    lifecycles.set_defaults(run=_lifecycles)
    lifecycles.add_argument(
        "--hand-written", action="store_true", help="leave the generated scenarios out"
    )
    wrong = what.add_parser("adapters", help="stores, pages, hosts and the kit, as declared")
    wrong.set_defaults(run=_adapters)
    wrong.add_argument("--matrix", type=Path, help="file for the matrix: .md, or else CSV")
    wrong.add_argument(
        "--own-clause",
        action="store_true",
        help="put each to the scenarios of its own clause alone, which takes a fifth of the time",
    )
    wrong.add_argument(
        "--declared", action="append", metavar="MODULE", help="where mutants are declared instead"
    )
    changed = what.add_parser("operators", help="modules, in every way cosmic-ray changes them")
    changed.set_defaults(run=_operators)
    changed.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="how many")
    for each in (lifecycles, changed):
        each.add_argument(
            "--suite", choices=SUITES, help="the scenarios of one suite; all if not given"
        )
    for each in (lifecycles, wrong, changed):
        each.add_argument("target", help="the store to run on: a URL or module:factory")
        each.add_argument("--page", help="module:name of what makes the evidence page of a facade")
        each.add_argument("--only", default="", help="the mutants with this in their name")
    changed.add_argument("modules", nargs="+", metavar="module", help="the modules to change")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
