"""The only way from a command to a terminal: every text is printed as one visible line.

Commands print only with the functions of this module, so that what a host or a model wrote can
neither hide a line nor forge one.
"""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import IO, Any, TextIO

import click
from rich.console import Console
from rich.text import Text

from scoria_core.visible import visible_block, visible_line

READER_IS_GONE = 141
"""The exit code if the reader of the rows goes away: 128 plus the number of SIGPIPE."""

INDENT = "    "
"""The indentation of the rows that continue a wrapped line on a terminal."""

_STAND_INS: Mapping[str, str] = MappingProxyType({"✓": "+", "✗": "x"})
"""The replacement of a mark that the locale cannot encode."""


def out_line(text: object = "", *, style: str = "") -> None:
    """Print `text` as one line on stdout."""
    console().print(str(text), style=style)


def err_line(text: object) -> None:
    """Print `text` as one line on stderr."""
    console(err=True).print(str(text))


def out_row(*fields: object) -> None:
    """Print the fields as one line of a table for another program, with tabs between them."""
    _write("\t".join(map(visible_line, fields)) + "\n")


def err_next(option: str, place: str | None, *, as_json: bool) -> None:
    """Print on stderr how to get the next page of a list, if there is one.

    It is one line without indented rows, so that it can be copied from a terminal.
    """
    if place is not None:
        more = f"there may be more, with the same options and {option} {place}"
        _write(f"{visible_line(json.dumps({'next': place}) if as_json else more)}\n", sys.stderr)


def out_json(value: object) -> None:
    """Print a value as one line of JSON, in ASCII: every locale can encode it."""
    _write(visible_line(json.dumps(value, separators=(",", ":"))) + "\n")


def out_document(text: str) -> None:
    """Print a text of several lines that the commands wrote themselves."""
    _write(visible_block(text))


@contextmanager
def out_file() -> Iterator[IO[bytes]]:
    """Yield stdout for a writer of lines; end the command if the reader of the pipe went away."""
    if sys.stdout.isatty():
        yield _Rows()
        return
    # Not through `sys.stdout`: it hides that the reader went away, and the exit code would be 0.
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            yield file
    except BrokenPipeError as error:
        raise click.exceptions.Exit(READER_IS_GONE) from error


def err_status(text: str = "") -> None:
    """Replace the status line on the stderr of a terminal by `text`."""
    room = Console(stderr=True).width - 1
    shown = Text(visible_line(text))
    shown.truncate(room)
    _write(f"\r\x1b[K{shown.plain}", sys.stderr)  # back to the start of the line, and erase it


def console(*, err: bool = False) -> Console:
    """Return the console of this process; it knows whether it is a terminal.

    Each text that it prints is one line. A row that is wrapped on a terminal is indented, so that
    its continuation does not look like a line of its own.
    """
    file = sys.stderr if err else sys.stdout
    return _Console(file=file, soft_wrap=True, highlight=False, emoji=False, markup=False)


def line(out: Console, mark: str, style: str, text: object, detail: object = "") -> None:
    """Print one line that begins with a mark, which says without colour what the colour says."""
    printed = Text(f"{_encodable(mark, out.encoding)} ", style=style)
    printed.append(visible_line(text), style="")
    if detail:
        printed.append(f"  {visible_line(detail)}", style="dim")
    out.print(printed)


def _write(text: str, file: TextIO | None = None) -> None:
    # Not click.echo, which writes UTF-8 even if the locale is ASCII.
    out = file or sys.stdout
    out.write(text)
    out.flush()


class _Rows(io.BytesIO):
    """A binary file that prints each line on the terminal."""

    def write(self, row: Any) -> int:
        """Print a line, with its line feed."""
        out_line(bytes(row).decode().removesuffix("\n"))
        return len(row)


class _Console(Console):
    """Filters every text that is printed through it, including the cells of a table."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print each text as one line."""
        super().print(*map(self._as_line, objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text as one line of visible characters."""
        return super().render_str(visible_line(text), **options)

    def _as_line(self, printed: Any) -> Any:
        if isinstance(printed, str):
            printed = self.render_str(printed)
        is_long = isinstance(printed, Text) and printed.cell_len > self.width
        if is_long and self.file.isatty():
            rows = printed.wrap(self, self.width - len(INDENT), overflow="fold")
            printed = Text(f"\n{INDENT}").join(rows)
        return printed


def _encodable(mark: str, encoding: str) -> str:
    try:
        mark.encode(encoding)
    except UnicodeEncodeError:
        return _STAND_INS.get(mark, mark)
    return mark
