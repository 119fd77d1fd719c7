"""Every change that cosmic-ray's operators make of a module, put through the features.

A change that cannot matter is left out by these rules, and none by hand: what is no Python any
more, and what differs in an annotation, or in how a parameter may be passed, alone. Those are for
who reads and for mypy; nothing here looks at them while it runs.
"""

import ast
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import attrs
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from lab.mutants.experiment import Experiment, Fate, Finding, Meeting, Mutant
from lab.mutants.reach import Reach, run_with
from lab.mutants.wrong import judged, until_enough
from scoria_conformance.verdict import Status

UNREACHED = "no scenario runs it"
"""What is said of a mutant that met no scenario."""


@attrs.frozen
class Mutation:
    """The `source` of a module, changed in one place.

    At `line` stood `before`, and `after` stands there now. One of the lines `run_with` is run
    wherever it matters; there are none where it is run as the module is imported.
    """

    module: str
    line: int
    run_with: range
    operator: str
    before: str
    after: str
    source: str = attrs.field(repr=False)
    clause: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.operator}: {self.before} -> {self.after}"

    def apply(self) -> None:
        """Run the changed source in the place of the module, for all who have imported it."""
        put(import_module(self.module), self.source)


@attrs.define
class Ranking:
    """What comes first: what killed at a mutant's lines, then what killed at all, then the fast."""

    kills: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    seconds: dict[str, float] = attrs.field(factory=dict)

    def hear(self, finding: Finding) -> None:
        """Keep what killed a mutant."""
        if finding.fate == Fate.KILLED:
            (killer,) = finding.met
            self.kills.update([(_place(finding.mutant), killer.node), ("", killer.node)])

    def rank(self, mutant: Mutant, item: pytest.Item) -> tuple[float, ...]:
        """Return what the scenarios are sorted by."""
        node = item.nodeid
        near, anywhere = self.kills[_place(mutant), node], self.kills["", node]
        return -near, -anywhere, self.seconds.get(node, 0.0)


def mutations(module: str) -> Iterator[Mutation]:
    """Yield each change of a module that can matter, in the order of its lines.

    Raises whatever its import raises, and `LookupError` where it has no source.
    """
    found = sorted(_mutations(module), key=lambda each: (each.line, each.operator, each.after))
    yield from found


def try_all(
    tried: Sequence[Mutation],
    tell: Callable[[Finding], None],
    target: str,
    page: str | None,
    suite: str | None,
    at_once: int,
) -> Experiment:
    """Put each mutant through the features up to the first that fails; `tell` hears of each.

    It meets only scenarios that run the statement that is changed. The process is then used up,
    as by any experiment.
    """
    ranking = Ranking()

    def begun(canary: Finding) -> None:
        reach.read()
        ranking.seconds.update({met.node: met.seconds for met in canary.met})

    def meets(mutant: Mutant, item: pytest.Item) -> bool:
        if not isinstance(mutant, Mutation):
            return True
        return reach.runs(item.nodeid, mutant.module, mutant.run_with)

    def told(finding: Finding) -> None:
        ranking.hear(finding)
        tell(finding)

    with tempfile.TemporaryDirectory(prefix="scoria-reach-") as directory:
        reach = Reach(Path(directory) / "lines", {each.module for each in tried})
        experiment = Experiment(
            tried,
            told,
            at_once=at_once,
            meets=meets,
            judged=first_failure,
            rank=ranking.rank,
            begun=begun,
            canary=Finding(reach, Fate.UNKNOWN, reason="the features were not run"),
        )
        experiment.run(target, page, suite)
    return experiment


def first_failure(mutant: Mutant, meetings: Iterable[Meeting]) -> Finding:
    """Tell what became of a mutant: killed by the first scenario that says it does not hold.

    A scenario that could not be run, or in which the suite itself broke, tells nothing.
    """
    if not isinstance(mutant, Mutation):
        return judged(mutant, meetings)
    finding = Finding(mutant, Fate.SURVIVED, reason=UNREACHED)
    for meeting in until_enough(meetings):
        check = meeting.check
        if finding.reason == UNREACHED:
            finding = Finding(mutant, Fate.SURVIVED)
        if check.status == Status.FAILED:
            return Finding(mutant, Fate.KILLED, check.name, check.reason, (meeting,))
        if meeting.broke and finding.fate == Fate.SURVIVED:
            finding = Finding(mutant, Fate.UNKNOWN, check.name, check.reason)
    return finding


def put(module: ModuleType, source: str) -> None:
    """Run `source` as the module, and give its functions and classes to who has the old ones."""
    old = {name: thing for name, thing in vars(module).items() if _is_of(module, thing)}
    with _quietly():
        code = compile(source, str(module.__file__), "exec")
    exec(code, vars(module))  # noqa: S102 - our own source, changed in one place
    new = {id(thing): vars(module)[name] for name, thing in old.items()}
    for other in [each for each in sys.modules.values() if isinstance(each, ModuleType)]:
        names = vars(other)
        names.update({name: new[id(each)] for name, each in names.items() if id(each) in new})


def _is_of(module: ModuleType, thing: object) -> bool:
    return isinstance(thing, type | FunctionType) and thing.__module__ == module.__name__


def _place(mutant: Mutant) -> str:
    return f"{mutant.module}:{mutant.run_with}" if isinstance(mutant, Mutation) else ""


def _mutations(module: str) -> Iterator[Mutation]:
    path = import_module(module).__file__
    if path is None:
        raise LookupError(f"{module} has no source")
    source = Path(path).read_text("utf-8")
    meaning, parsed = _meaning(source), ast.parse(source)
    for name, operator in _operators():
        for occurrence, line in enumerate(_positions(operator, source)):
            changed = mutate_code(source, operator, occurrence)
            if _meaning(changed) not in (None, meaning):
                before, after = _changed(source, changed, line)
                lines = run_with(parsed, line)
                yield Mutation(module, line, lines, name, before, after, changed)


def _operators() -> Iterator[tuple[str, Any]]:
    """Yield the operators that need not be told what to change."""
    for name in operator_names():
        operator = get_operator(name)
        if not operator.arguments():
            yield name.partition("/")[2], operator()


def _positions(operator: Any, source: str) -> Iterator[int]:
    """Yield the line of each change that an operator makes, in the order in which it counts."""
    for node in ast_nodes(get_ast(source)):
        for (line, _), _ in operator.mutation_positions(node):
            yield line


def _changed(before: str, after: str, line: int) -> tuple[str, str]:
    """Return what stood at a line, and what stands there; a line that is gone is empty."""
    old, new = before.splitlines(), after.splitlines()
    return old[line - 1].strip(), new[line - 1].strip() if len(old) == len(new) else ""


def _meaning(source: str) -> str | None:
    """Return all that the source says to who runs it; None where it is no Python."""
    try:
        with _quietly():
            tree = ast.parse(source)
    except SyntaxError:
        return None
    return ast.dump(_Bare().visit(tree))


def _quietly() -> "warnings.catch_warnings[None]":
    """Let Python not say what it thinks of `is` with a number: it was asked for."""
    return warnings.catch_warnings(action="ignore", category=SyntaxWarning)


class _Bare(ast.NodeTransformer):
    """Leaves out annotations, and how a parameter may be passed."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults = [*node.defaults, *filter(None, node.kw_defaults)]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)
