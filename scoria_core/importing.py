"""What a user names as `module:name`, found among what is installed, then where the user stands."""

import pkgutil
import sys
from importlib.util import find_spec
from pathlib import Path


def named(name: str) -> object:
    """Import and return what `name` names, as `pkgutil.resolve_name` does, and raise as it does.

    The current directory is searched last, and only for a module that is nowhere else: what lies
    in it must not stand in for what this process imports later.
    """
    top, here = name.partition(":")[0].partition(".")[0], str(Path.cwd())
    if top and top not in sys.modules and find_spec(top) is None and here not in sys.path:
        sys.path.append(here)
    return pkgutil.resolve_name(name)
