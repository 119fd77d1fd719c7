"""The facade that a host passes to what works with it: a `Scoria`, or what returns one later."""

from collections.abc import Callable

from scoria_core.async_scoria import AsyncScoria
from scoria_core.errors import InvalidPayload
from scoria_core.scoria import Scoria

Facade = Scoria | Callable[[], Scoria]
"""A facade, or what returns it in the process that uses it, such as a `PerProcess`."""


def checked_scoria(value: object) -> Scoria:
    """Return a facade that is open; raises `InvalidPayload` naming `scoria`."""
    if not isinstance(value, Scoria):
        raise InvalidPayload("scoria", f"is {type(value).__name__}; {_next_move(value)}")
    return value


def checked_facade(value: Facade) -> Facade:
    """Return a facade, or what returns it, which is not called; errors as `checked_scoria`."""
    # To call a class could open something, and is none of what a host means by it.
    if isinstance(value, type) or not callable(value):
        return checked_scoria(value)
    return value


def opened(facade: Facade) -> Scoria:
    """Return the facade, which a host may open only now; raises what opening it raises.

    Raises `InvalidPayload` naming `scoria` if what is returned is no facade.
    """
    if isinstance(facade, Scoria):
        return facade
    scoria = facade()
    if not isinstance(scoria, Scoria):
        raise InvalidPayload("scoria", f"returned {type(scoria).__name__}; {_next_move(scoria)}")
    return scoria


def _next_move(value: object) -> str:
    if isinstance(value, AsyncScoria):
        return "of an AsyncScoria pass its .sync"
    return "pass what Scoria.open returned"
