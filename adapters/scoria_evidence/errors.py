"""The errors of an export."""

from pathlib import Path
from typing import ClassVar

import attrs

from scoria_core.errors import ScoriaError, StoreCorrupt, safe_repr


@attrs.define
class ExportRefused(ScoriaError):
    """An export cannot be written: `problem` says why and what to do, `file` where, if known."""

    code: ClassVar[str] = "export_refused"
    problem: str
    file: str | None = None

    @property
    def message(self) -> str:
        """Say what is wrong with the file, and what to do."""
        return self.problem if self.file is None else f"{self.file} {self.problem}"


def broken(path: Path, problem: str) -> StoreCorrupt:
    """Return the error for an export that does not contain what was written."""
    return StoreCorrupt(f"export {safe_repr(str(path))}", 0, problem)
