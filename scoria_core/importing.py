"""Imports what a user names as `module:name`."""

import pkgutil
import sys
from importlib.util import find_spec
from pathlib import Path


def named(name: str) -> object:
    """Import and return `module:name`, as `pkgutil.resolve_name` does; it raises the same errors.

    The current directory is searched last, and only for a module that is not installed: a file that
    happens to be there must not replace what this process imports later.
    """
    top, here = name.partition(":")[0].partition(".")[0], str(Path.cwd())
    if top and top not in sys.modules and find_spec(top) is None and here not in sys.path:
        sys.path.append(here)
    return pkgutil.resolve_name(name)
