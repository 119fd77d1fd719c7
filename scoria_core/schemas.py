"""The JSON Schemas that are installed: an extra brings them, and nothing needs them until asked."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property

from scoria_core.errors import InvalidPayload
from scoria_core.installed import installed
from scoria_core.ports import Schemas

GROUP, NAME = "scoria.schemas", "json-schema"
"""The entry-point group, and its entry that is a callable which returns a `Schemas`."""

NOT_INSTALLED = "needs the extra that checks schemas: pip install 'scoria-kit[schema]'"


class InstalledSchemas:
    """Those of the distribution that is installed, loaded when a schema is first checked.

    Each method raises `InvalidPayload` naming `schema` where there is none.
    """

    def problem_of(self, schema: Mapping[str, object]) -> str | None:
        """Say what is wrong with a schema, or that nothing here can check one."""
        return NOT_INSTALLED if self._found is None else self._found.problem_of(schema)

    def mismatch(self, schema: Mapping[str, object], value: object) -> tuple[str, str] | None:
        """Return where a value does not fit, and why."""
        if self._found is None:
            raise InvalidPayload("schema", NOT_INSTALLED)
        return self._found.mismatch(schema, value)

    @cached_property
    def _found(self) -> Schemas | None:
        for each in installed(GROUP):
            if each.name == NAME:
                with suppress(ModuleNotFoundError):
                    found: Schemas = each.load()()
                    return found
        return None
