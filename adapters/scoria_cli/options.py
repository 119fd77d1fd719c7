"""Options that several commands share."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from scoria_core import Scoria
from scoria_core.errors import StoreUnavailable, safe_repr
from scoria_core.files import path_name
from scoria_core.payloads import parsed
from scoria_core.ports import RunStore
from scoria_core.stores import checked_url, file_path, open_store, scheme_of, store_name
from scoria_core.validation import MAX_PAGE
from scoria_evidence.writing import FORMATS

store_option = click.option(
    "--store",
    metavar="URL",
    envvar="SCORIA_STORE",
    required=True,
    show_envvar=True,
    help="The store, for example duckdb:///scoria.duckdb.",
)


def text(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Return the text of an option; raise `UnicodeEncodeError` if Python could not decode it."""
    if given is not None:
        given.encode()  # raises for lone surrogates, which stand in for undecodable bytes
        if not given.strip():
            raise click.BadParameter("is blank; leave it out, or name one")
    return given


tenant_option = click.option("--tenant", callback=text, help="Only this tenant's runs.")

format_option = click.option(
    "--format",
    "format_",
    default="jsonl",
    show_default=True,
    type=click.Choice(FORMATS),
    help="A line of JSON for each entry, or Parquet.",
)
without_option = click.option(
    "--without", multiple=True, metavar="RUN_ID", help="Leave this run out: it is damaged."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")

MAX_AMOUNT = 1e6
"""The largest value of an option in seconds, minutes or hours."""

MAX_WHOLE = 1_000_000_000
"""The largest value of an option that is a count."""


session_option = click.option("--session", callback=text, help="Only this session's runs.")


class Amount(click.FloatRange):
    """A finite number from `least` to `most`; above `least` if `is_above`."""

    def __init__(
        self, least: float = 0.0, most: float = MAX_AMOUNT, *, is_above: bool = False
    ) -> None:
        super().__init__(least, most, min_open=is_above)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or refuse it with an error that names its option."""
        number = float(super().convert(_ascii(self, value, param, ctx), param, ctx))
        if math.isnan(number):
            self.fail("must be a finite number", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number from `least` to `most`."""

    def __init__(self, least: int = 1, most: int = MAX_WHOLE) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or refuse it with an error that names its option."""
        return int(super().convert(_ascii(self, value, param, ctx), param, ctx))


limit_option = click.option(
    "--limit", default=50, show_default=True, type=Whole(most=MAX_PAGE), help="How many at most."
)


def json_object(_: click.Context, __: click.Parameter, given: Any) -> dict[str, Any] | None:
    """Return the JSON object that an option gives as text, or as a file that is open."""
    if given is None:
        return None
    try:
        text = given if isinstance(given, str) else given.read()
        read = parsed(text)
    except (OSError, ValueError, RecursionError) as error:
        raise click.BadParameter(f"is no JSON: {safe_repr(error, 160)}") from error
    if not isinstance(read, dict):
        raise click.BadParameter(f"is {type(read).__name__}; write a JSON object")
    return read


class Moment(click.DateTime):
    """A day or a time in the past, in ISO 8601; in UTC if it names no zone."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time, or refuse it with an error that names its option."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{safe_repr(value)} is no date; write 2026-01-31, or with a time", param, ctx
            )
        if moment > datetime.now(UTC):
            self.fail(f"{value} has not come yet; name a day that has", param, ctx)
        return moment


def _ascii(
    kind: "click.ParamType[Any]",
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> Any:
    """Return a number as it was typed; refuse digits of other scripts, which Python would read."""
    if isinstance(value, str) and not value.isascii():
        kind.fail(f"{safe_repr(value)} is no number; write it in the digits 0 to 9", param, ctx)
    return value


FILE_SCHEMES = ("duckdb", "sqlite")


def existing_store(url: str) -> RunStore:
    """Open a store that already exists: a mistyped path must not create an empty one."""
    if scheme_of(url) in FILE_SCHEMES:
        path = file_path(checked_url(url))
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            problem = f"does not exist: there is no file {path_name(path)}"
            raise StoreUnavailable(store_name(url), problem, "check the path") from error
        except OSError:
            pass  # the store says what is wrong with it
    return open_store(url)


@contextmanager
def open_existing(url: str, tenant_id: str | None = None) -> Iterator[Scoria]:
    """Yield the facade of an existing store, to read or to decide, of one tenant or of all.

    Reading evidence must not change it: the steps of a dead process stay as they are.
    """
    with Scoria(existing_store(url)) as scoria:
        yield scoria if tenant_id is None else scoria.for_tenant(tenant_id)
