"""Options that several commands share."""

from pathlib import Path

import click

from scoria_core import Scoria
from scoria_core.errors import StoreUnavailable
from scoria_core.stores import open_store

store_option = click.option(
    "--store",
    metavar="URL",
    envvar="SCORIA_STORE",
    required=True,
    show_envvar=True,
    help="The store, for example duckdb:///scoria.duckdb.",
)

FILE_SCHEMES = ("duckdb", "sqlite")


def open_existing(url: str) -> Scoria:
    """Open a store that is only to be read: a mistyped path must not make an empty one."""
    scheme, _, path = url.partition(":///")
    if scheme in FILE_SCHEMES and path and not Path(path).exists():
        raise StoreUnavailable(url, "does not exist", "check the path")
    # Who reads evidence does not touch it: steps of a dead process stay as they are.
    return Scoria(open_store(url))
