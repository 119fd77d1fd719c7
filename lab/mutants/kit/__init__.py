"""The kit gone wrong on purpose, a line at a time, for what no adapter can break."""

from lab.mutants.wrong import Catalogue, Edit, edit


def catalogue() -> Catalogue:
    """Return an empty catalogue of edits of the kit."""
    return Catalogue("kit", _edited)


def _edited(edits: list[Edit]) -> None:
    for where in dict.fromkeys(where for where, _, _ in edits):
        edit(f"scoria_core.{where}", [(old, new) for there, old, new in edits if there == where])
