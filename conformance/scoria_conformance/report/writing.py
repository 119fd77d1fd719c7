"""The files of a report, written from templates that escape what they show."""

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from scoria_conformance.report.document import Document
from scoria_conformance.verdict import Verdict
from scoria_core.conversion import converter

TEMPLATES = ("junit.xml", "report.html", "summary.md", "badge.svg")
"""What is written besides `report.json`, each from the template of its name."""

FILES = ("report.json", *TEMPLATES)
"""What a report consists of."""

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_CODE = re.compile(r"`([^`]+)`")
_SPECIAL = re.compile(r"[\\`*_\[\]<>&|#~!@$]")


def document(verdict: Verdict) -> dict[str, Any]:
    """Return what `report.json` says."""
    told: dict[str, Any] = converter.unstructure(Document.of(verdict))
    return told


def write(verdict: Verdict, directory: Path) -> None:
    """Write the report into `directory`, which is made where it is not there."""
    directory.mkdir(parents=True, exist_ok=True)
    found = json.dumps(document(verdict), indent=1) + "\n"
    (directory / "report.json").write_text(found, encoding="utf-8")
    for name in TEMPLATES:
        shown = _environment().get_template(name).render(report=Document.of(verdict))
        (directory / name).write_text(shown, encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("scoria_conformance.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": _prose, "markdown": _markdown, "took": _took}
    style = (files("scoria_conformance.report") / "report.css").read_text("utf-8")
    environment.globals["style"] = Markup(style)  # noqa: S704 - it is ours, and ships beside
    return environment


def _prose(text: str) -> Markup:
    """Show the text of a clause: its links as what they say, its names as code."""
    plain = str(escape(_LINK.sub(r"\1", text)))
    return Markup(_CODE.sub(r"<code>\1</code>", plain))  # noqa: S704 - escaped above


def _markdown(text: str) -> Markup:
    """Show a text in one line of Markdown, as it is."""
    one_line = " ".join(text.split())
    return Markup(_SPECIAL.sub(_entity, one_line))  # noqa: S704 - what is special is an entity


def _entity(special: re.Match[str]) -> str:
    return f"&#{ord(special[0])};"


def _took(seconds: float) -> str:
    """Show how long something took, as exactly as a person cares for."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
