"""What ships imports only what its own extra installs: no tool of the developers is needed."""

import ast
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from sys import stdlib_module_names
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scoria_cli.moves import COMMAND_EXTRAS
from tests.support import ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
WHEEL = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
PACKAGES = {path.rpartition("/")[2]: ROOT / path for path in WHEEL["packages"]}
INSTALLS = {
    "agents": ["openai-agents"],
    "langgraph": ["langgraph"],
    "pydantic": ["pydantic"],
    "pydantic_ai": ["pydantic-ai-slim"],
    **packages_distributions(),
    "opentelemetry": ["opentelemetry-api", "opentelemetry-sdk"],  # a namespace of many
}
"""What installs a module; a bridge's library need not be here."""

EXTRA_OF: dict[str, str] = {
    "scoria_core": "",
    "scoria_memory": "",
    "scoria_sqlite": "",
    "scoria_worker": "",
    "scoria_diagrams": "",
    "scoria_evidence": "",
    "scoria_duckdb": "duckdb",
    "scoria_postgres": "postgres",
    "scoria_schema": "schema",
    "scoria_langgraph": "langgraph",
    "scoria_pydantic_ai": "pydantic-ai",
    "scoria_openai_agents": "openai-agents",
    "scoria_otel": "otel",
    "scoria_web": "web",
    "scoria_notify": "notify",
    "scoria_cli": "cli",
    "scoria_features": "conformance",
    "scoria_conformance": "conformance",
    "scoria_demo": "demo",
    **{f"scoria_cli.{name}": f"cli,{each}" for name, each in COMMAND_EXTRAS.items()},
}
"""What a user installs for a package, or a command of it; nothing where the kit is enough."""


def shipped() -> list[Path]:
    """Return the modules that are in the wheel."""
    modules = (module for package in PACKAGES.values() for module in package.rglob("*.py"))
    return sorted(module.relative_to(ROOT) for module in modules)


def installed_by(extras: str) -> set[str]:
    """Return the distributions that the kit itself and these extras name, theirs included."""
    named: list[str] = [*PYPROJECT["project"]["dependencies"]]
    named += [each for extra in filter(None, extras.split(",")) for each in EXTRAS[extra]]
    found = set()
    for requirement in map(Requirement, named):
        if requirement.name == "scoria-kit":
            found |= {name for each in requirement.extras for name in installed_by(each)}
        else:
            found.add(canonicalize_name(requirement.name))
            found |= {each for extra in requirement.extras for each in _of(requirement.name, extra)}
    return found


def _of(distribution: str, extra: str) -> Iterator[str]:
    for requirement in map(Requirement, requires(distribution) or ()):
        marker = requirement.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def extra_of(path: Path) -> str:
    """Return the extra that a shipped module may take for granted."""
    package = next(part for part in path.parts if part in PACKAGES)
    return EXTRA_OF.get(f"{package}.{path.stem}", EXTRA_OF[package])


def imported(tree: ast.AST, *, at_import: bool) -> Iterator[str]:
    """Yield the top-level names that are imported; `at_import` leaves out what waits for a call."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif not (_is_for_types(node) or (at_import and isinstance(node, _WAITS))):
            yield from imported(node, at_import=at_import)


_WAITS = ast.FunctionDef | ast.AsyncFunctionDef


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def missing(path: Path, extra: str, *, at_import: bool) -> set[str]:
    """Return what a module imports and `extra` does not install."""
    offered = installed_by(extra)
    names = set(imported(ast.parse((ROOT / path).read_text("utf-8")), at_import=at_import))
    foreign = names - stdlib_module_names - PACKAGES.keys()
    found = {name for name in foreign if not offered & _distributions(name)}
    ours = names & PACKAGES.keys() if at_import else set()
    return found | {name for name in ours if not installed_by(EXTRA_OF[name]) <= offered}


def _distributions(module: str) -> set[str]:
    return {canonicalize_name(name) for name in INSTALLS.get(module, ())}


def test_every_package_that_ships_has_its_extra() -> None:
    """The table above names each of them, and no other."""
    assert {name for name in EXTRA_OF if "." not in name} == PACKAGES.keys()
    assert len(shipped()) > 100


@pytest.mark.parametrize("path", shipped(), ids=str)
def test_a_shipped_module_imports_what_its_extra_installs(path: Path) -> None:
    """Imported with that extra alone, it does not ask for more; what it does later, `all` has."""
    assert missing(path, extra_of(path), at_import=True) == set()
    assert missing(path, f"all,{extra_of(path)}", at_import=False) == set()


def test_the_developers_tools_are_seen() -> None:
    """A module that does not ship shows what would be found."""
    gate = Path("lab/spec_gate/pages.py")
    assert missing(gate, "conformance", at_import=True) == {"markdown_it"}
    assert gate not in shipped()
