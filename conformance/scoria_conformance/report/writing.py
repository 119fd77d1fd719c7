"""The files of a report, written from templates that escape what they show."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import attrs
import jinja2
from markupsafe import Markup, escape

from scoria_conformance.report.document import Document
from scoria_conformance.verdict import Verdict
from scoria_core.conversion import converter
from scoria_core.errors import ScoriaError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPLATES = ("junit.xml", "report.html", "summary.md", "badge.svg")
"""The files besides `report.json`, each written from the template of the same name."""

FILES = ("report.json", *TEMPLATES)
"""All files of a report."""

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_CODE = re.compile(r"`([^`]+)`")
_SPECIAL = re.compile(r"[\\`*_\[\]<>&|#~!@$]")


def document(verdict: Verdict) -> dict[str, Any]:
    """Return the content of `report.json`."""
    told: dict[str, Any] = converter.unstructure(Document.of(verdict))
    return told


@attrs.define
class FolderInUse(ScoriaError):
    """Another run writes its report into the same folder."""

    code: ClassVar[str] = "folder_in_use"
    path: Path

    @property
    def message(self) -> str:
        """Name the folder."""
        return f"another run writes its report to {self.path}: wait for it, or name another folder"


@attrs.define
class Folder:
    """The folder of a report, which one run holds from its start to its end.

    After the run it has either the complete report of that run, or none.
    """

    path: Path
    _held: int | None
    _holder: int = attrs.field(factory=os.getpid)

    @classmethod
    def taken(cls, path: Path) -> "Folder":
        """Take the folder, create it if it is missing, and remove an earlier report from it.

        Raises `FolderInUse` if another run holds it.
        """
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path, _lock(path))
        for name in FILES:
            (path / name).unlink(missing_ok=True)
        return folder

    def write(self, verdict: Verdict) -> None:
        """Write the report: all files are complete before the first is visible.

        `report.json` comes last: a process that is killed leaves no file of another run, and no
        `report.json`.
        """
        if os.getpid() != self._holder:
            return  # a child that the target forked
        found = Document.of(verdict)
        texts = {name: _environment().get_template(name).render(report=found) for name in TEMPLATES}
        texts["report.json"] = json.dumps(document(verdict), indent=1) + "\n"
        with tempfile.TemporaryDirectory(prefix=".scoria-", dir=self.path) as new:
            for name, text in texts.items():
                (Path(new) / name).write_text(text, encoding="utf-8")
            for name in texts:
                (Path(new) / name).replace(self.path / name)

    def leave(self) -> None:
        """Release the folder for another run."""
        if self._held is not None:
            # A child that the target forked shares the lock: closing it here alone would keep it.
            if fcntl is not None and os.getpid() == self._holder:
                fcntl.flock(self._held, fcntl.LOCK_UN)
            os.close(self._held)
            self._held = None


@contextmanager
def taken(path: Path) -> Iterator[Folder]:
    """Hold the folder during a run. Raises `FolderInUse`."""
    folder = Folder.taken(path)
    try:
        yield folder
    finally:
        folder.leave()


def write(verdict: Verdict, directory: Path) -> None:
    """Write the report into `directory`, in place of an earlier one."""
    with taken(directory) as folder:
        folder.write(verdict)


def _lock(path: Path) -> int | None:
    """Return a lock on a folder, held until `leave`, or until its processes end in any way."""
    if fcntl is None:
        return None  # this system has no such lock: two runs are not kept apart
    # O_CLOEXEC: a program that this process starts must not keep the lock.
    held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise FolderInUse(path) from None
    return held


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
    sheets = (
        files("scoria_core") / "palette.css",
        files("scoria_conformance.report") / "report.css",
    )
    style = "".join(sheet.read_text("utf-8") for sheet in sheets)
    environment.globals["style"] = Markup(style)  # noqa: S704 - it is ours, and ships beside
    return environment


def _prose(text: str) -> Markup:
    """Show the text of a clause: of a link its text, and names as code."""
    plain = str(escape(_LINK.sub(r"\1", text)))
    return Markup(_CODE.sub(r"<code>\1</code>", plain))  # noqa: S704 - escaped above


def _markdown(text: str) -> Markup:
    """Show a text literally, in one line of Markdown."""
    one_line = " ".join(text.split())
    return Markup(_SPECIAL.sub(_entity, one_line))  # noqa: S704 - what is special is an entity


def _entity(special: re.Match[str]) -> str:
    return f"&#{ord(special[0])};"


def _took(seconds: float) -> str:
    """Show a duration, as precisely as a reader needs it."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
