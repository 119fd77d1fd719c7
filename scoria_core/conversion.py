"""The one converter between values and the JSON text of the journal."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

import attrs
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.preconf.json import make_converter

from scoria_core.outcomes import StepSpec

T = TypeVar("T", bound=attrs.AttrsInstance)

converter = make_converter(detailed_validation=False)

# A start that is repeated under a later kit has the arguments, and the digest, that it had.
converter.register_unstructure_hook(
    StepSpec,
    make_dict_unstructure_fn(StepSpec, converter, retry=override(omit_if_default=True)),
)


_FIELDS: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {}


def replaced(value: T, **changes: Any) -> T:
    """Return a frozen value with other values in some of its fields, as `attrs.evolve` does.

    It reads the fields of a class once, and `evolve` each time: here that is most of a call.
    """
    kind = type(value)
    fields = _FIELDS.get(kind)
    if fields is None:
        names = tuple(field.name for field in attrs.fields(kind))
        fields = _FIELDS[kind] = names, attrgetter(*names)
    names, values_of = fields
    return kind(**dict(zip(names, values_of(value), strict=True), **changes))
