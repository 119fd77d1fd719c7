"""`python -m scoria_conformance.mutants lifecycles TARGET`: the features against every change."""

import argparse
import sys

from scoria_conformance.mutants.experiment import Experiment, Fate, Finding
from scoria_conformance.mutants.lifecycles import Change, changes
from scoria_conformance.mutants.report import exit_code, report


def main(arguments: list[str]) -> int:
    """Try the changes that are asked for and print what became of them; return the exit code."""
    asked = _parser().parse_args(arguments)
    tried = [change for change in changes() if asked.only in str(change)]
    experiment = Experiment(tried, Progress(tried), hand_written=asked.hand_written)
    experiment.run(asked.target, asked.page)
    for line in report(experiment):
        print(line)  # noqa: T201 - this is a command
    return exit_code(experiment)


class Progress:
    """Says how far it is, for a person who waits."""

    def __init__(self, tried: list[Change]) -> None:
        self.all, self.done, self.alive = len(tried), 0, 0

    def __call__(self, finding: Finding) -> None:
        """Count one more."""
        self.done += 1
        self.alive += finding.fate != Fate.KILLED
        end = "\n" if self.done == self.all else "\r"
        said = f"{self.done} of {self.all} tried, {self.alive} not killed"
        print(said, end=end, file=sys.stderr, flush=True)  # noqa: T201 - this is a command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scoria_conformance.mutants",
        description="Change the declared machines, one entry at a time, and see the features fail.",
    )
    parser.add_argument("what", choices=["lifecycles"], help="what is changed")
    parser.add_argument("target", help="the store to run on: a URL or module:factory")
    parser.add_argument("--page", help="module:name of what makes the evidence page of a facade")
    parser.add_argument("--only", default="", help="the changes with this in their name")
    parser.add_argument(
        "--hand-written", action="store_true", help="leave the generated scenarios out"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
