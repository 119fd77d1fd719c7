"""`python -m scoria_conformance.spec check|write|freeze`, where `spec/` and `features/` are."""

from pathlib import Path

import click

from scoria_conformance.clauses import ClauseSet
from scoria_conformance.spec.gate import House, problems
from scoria_conformance.spec.lifecycle_feature import lifecycle_feature
from scoria_conformance.spec.pages import NotAClause, read_pages
from scoria_conformance.spec.scenarios import read_features
from scoria_conformance.spec.trace import Found, matrix
from scoria_conformance.verdict import Status
from scoria_conformance.verify import verify

HERE = House(Path())


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
    for path in HERE.extracts:
        path.write_text(clauses.to_json(), "utf-8")
    verdicts = [verify(target, page=page) for target in targets]
    for verdict in verdicts:
        if verdict.status != Status.PASSED:
            raise click.ClickException(f"{verdict.target}: {verdict.status} {verdict.problem}")
    found = Found.of(verdicts)
    HERE.found.write_text(found.to_json(), "utf-8")
    HERE.matrix.write_text(matrix(clauses, read_features(HERE.features), found), "utf-8")


@spec.command()
@click.argument("version")
def freeze(version: str) -> None:
    """Publish the clauses as VERSION: from here on they say what they say now."""
    path = HERE.pages / "frozen" / f"{version}.json"
    clauses = _clauses()
    if path.exists():
        raise click.ClickException(f"{path} is published already")
    if clauses.version != version:
        raise click.ClickException(f"the clauses are at {clauses.version}, not {version}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(clauses.to_json(), "utf-8")


def _clauses() -> ClauseSet:
    try:
        return read_pages(HERE.pages)
    except NotAClause as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    spec()
