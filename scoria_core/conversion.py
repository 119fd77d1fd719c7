"""The one converter between values and the JSON text of the journal."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, TypeVar

import attrs
from cattrs.preconf.json import make_converter

T = TypeVar("T", bound=attrs.AttrsInstance)

converter = make_converter(detailed_validation=False)
# What a person may edit is yes, no or a schema; which of them it is was checked before.
converter.register_structure_hook_func(
    lambda kind: kind == bool | Mapping[str, Any], lambda value, _: value
)


@attrs.frozen
class _Fields:
    """The positions of the fields of a class, and a getter that reads all of them at once."""

    positions: Mapping[str, int]
    values_of: Callable[[Any], tuple[Any, ...]]


_FIELDS: dict[type, _Fields] = {}


def evolve(value: T, **changes: Any) -> T:
    """Return a copy of a frozen value with some fields changed, as `attrs.evolve` does.

    It looks up the fields once per class; `attrs.evolve` does so at every call, which is most of
    its cost here.
    """
    kind = type(value)
    fields = _FIELDS.get(kind) or _FIELDS.setdefault(kind, _fields_of(kind))
    values = list(fields.values_of(value))
    for name, changed in changes.items():
        values[fields.positions[name]] = changed
    return kind(*values)


def _fields_of(kind: type[attrs.AttrsInstance]) -> _Fields:
    names = [field.name for field in attrs.fields(kind)]
    return _Fields({name: number for number, name in enumerate(names)}, attrgetter(*names))
