"""`python -m lab.spec_gate check|write`, where `spec/` and `features/` are."""

import os
from pathlib import Path

import click

from lab.spec_gate.examples import write_examples
from lab.spec_gate.gate import ProjectPaths, problems
from lab.spec_gate.lifecycle_feature import lifecycle_feature
from lab.spec_gate.pages import NotAClause, read_pages
from lab.spec_gate.scenarios import read_features
from lab.spec_gate.trace import Found, matrix
from scoria_conformance.clauses import ClauseSet
from scoria_conformance.verdict import Status, Verdict
from scoria_conformance.verify import verify
from scoria_core.errors import ScoriaError

HERE = ProjectPaths(Path())


@click.group()
def spec() -> None:
    """Keep text, Gherkin, code and pictures together."""
    if not HERE.pages.is_dir() or not HERE.features.is_dir():
        raise click.UsageError("run it where spec/ and features/ are")


@spec.command()
def check() -> None:
    """Name everything that does not fit together."""
    found = list(problems(HERE.root))
    for problem in found:
        click.echo(problem, err=True)
    raise SystemExit(bool(found))


@spec.command()
@click.option("--page", help="module:function that makes the evidence page of a facade.")
@click.argument("targets", nargs=-1, required=True)
def write(page: str | None, targets: tuple[str, ...]) -> None:
    """Make everything that is made from the pages and the machines; run the suite on TARGETS."""
    clauses = _clauses()
    (HERE.features / "lifecycles.feature").write_text(lifecycle_feature(), "utf-8")
    write_examples(HERE.features / "examples")
    for path in HERE.extracts:
        path.write_text(clauses.to_json(), "utf-8")
    verdicts = [_verified(target, page) for target in targets]
    found = Found.of(verdicts)
    HERE.found.write_text(found.to_json(), "utf-8")
    HERE.matrix.write_text(matrix(clauses, read_features(HERE.features), found), "utf-8")


def _verified(target: str, page: str | None) -> Verdict:
    try:
        verdict = verify(target, page=page, jobs=os.cpu_count() or 1)
    except ScoriaError as error:
        raise click.UsageError(str(error)) from error
    for check in verdict.checks:
        if check.status not in (Status.PASSED, Status.NOT_APPLICABLE):
            click.echo(f"{check.status}: {check.name}: {check.reason}", err=True)
    if verdict.status != Status.PASSED:
        told = verdict.problem or "mend what did not hold, and run make spec again"
        raise click.ClickException(f"{verdict.target}: {verdict.status}; {told}")
    return verdict


def _clauses() -> ClauseSet:
    try:
        return read_pages(HERE.pages)
    except NotAClause as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    spec()
