"""The one converter between values and the JSON text of the journal."""

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


_FIELDS: dict[type, tuple[str, ...]] = {}


def replaced(value: T, **changes: Any) -> T:
    """Return a frozen value with other values in some of its fields, as `attrs.evolve` does.

    It reads the fields of a class once, and `evolve` each time: here that is most of a call.
    """
    kind = type(value)
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(field.name for field in attrs.fields(kind))
    return kind(**{name: getattr(value, name) for name in names} | changes)
