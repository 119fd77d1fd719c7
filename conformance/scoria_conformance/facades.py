"""The facades that a store is verified through: `Scoria`, and `AsyncScoria` from another thread."""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self, Unpack

from scoria_core import AsyncScoria, Scoria, ScoriaOptions
from scoria_core.event_loop import ProcessLoop, awaited_on
from scoria_core.ports import RunStore

_LOOP = ProcessLoop()


class AwaitedScoria(Scoria):
    """`Scoria` as steps know it, which awaits each call on an `AsyncScoria`.

    The calls of several threads are awaited at once, on one loop.
    """

    def __init__(self, store: RunStore, **options: Unpack[ScoriaOptions]) -> None:
        self._facade = AsyncScoria(store, **options)

    def for_tenant(self, tenant_id: object) -> Self:
        """Return a facade to which only the runs of one tenant are visible."""
        view = object.__new__(type(self))
        view._facade = self._facade.for_tenant(tenant_id)
        return view


def let_go(facade: Scoria) -> None:
    """End the threads of a facade whose store somebody else closes."""
    if isinstance(facade, AwaitedScoria):
        facade._facade._loop.close(timeout=0)
        facade._facade.sync._scheduler.threads.shutdown(0)


def _awaited(name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(Scoria, name))
    def call(self: AwaitedScoria, *args: Any, **named: Any) -> Any:
        answer = getattr(self._facade, name)(*args, **named)
        return awaited_on(_LOOP.running(), answer) if inspect.isawaitable(answer) else answer

    return call


for _name in vars(AsyncScoria):
    if not _name.startswith("_") and _name not in ("open", "for_tenant"):
        setattr(AwaitedScoria, _name, _awaited(_name))


FACADES: Mapping[str, Callable[..., Scoria]] = MappingProxyType(
    {"sync": Scoria, "async": AwaitedScoria}
)
"""Functions that make a facade from a store and the options of `Scoria`, by name."""
