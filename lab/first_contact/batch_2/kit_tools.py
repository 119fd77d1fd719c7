"""How the kit is changed in this process, wherever a function was imported to."""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import scoria_core


def unchanged() -> None:
    """Change nothing."""


def replace(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Put `new` in the place of a function in every module of the kit that holds it."""
    for found in pkgutil.iter_modules(scoria_core.__path__):
        importlib.import_module(f"scoria_core.{found.name}")
    for name, module in list(sys.modules.items()):
        if name.split(".")[0].startswith("scoria"):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)


class Still:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        """Return the time that it stands at."""
        return self.at

    def move(self, seconds: float) -> None:
        """Move it on, or back."""
        self.at += timedelta(seconds=seconds)
