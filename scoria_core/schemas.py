"""The JSON Schemas that are installed: an extra brings them, and nothing needs them until asked."""

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import entry_points

from scoria_core.errors import InvalidPayload
from scoria_core.ports import Schemas

GROUP = "scoria.schemas"
"""The entry-point group; its entry `json-schema` is a callable that returns a `Schemas`."""

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
        for each in entry_points(group=GROUP, name="json-schema"):
            try:
                found: Schemas = each.load()()
            except ModuleNotFoundError:
                return None
            return found
        return None
