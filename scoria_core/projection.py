"""What a handoff may project: narrow facts, never broad runtime state or a secret.

The delegated role gets the facts that the host chose for it. A transcript, a session or a
credential among them would hand over the whole conversation, or the keys. So a projected context is
refused by the names of its keys, at any depth and in any spelling.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from scoria_core.errors import InvalidPayload, UnsafeProjectedContext
from scoria_core.payloads import checked_name, child_path

_CREDENTIALS = frozenset(
    {
        "access_token",
        "api_key",
        "authorization",
        "credentials",
        "environ",
        "passwd",
        "password",
        "refresh_token",
        "request",
        "token",
    }
)

UNSAFE_ENDINGS = _CREDENTIALS | {
    "cookies",
    "headers",
    "history",
    "messages",
    "provider_session",
    "secrets",
    "socket",
    "transcript",
}
"""Keys that are refused, alone or after an underscore."""

UNSAFE_NAMES = UNSAFE_ENDINGS | {
    "assigns",
    "chat_history",
    "conversation_history",
    "message_history",
    "private",
    "provider_state",
    "runtime_state",
    "session",
    "session_state",
    "socket_state",
    "transcripts",
}
"""Keys that are refused as they stand, in snake_case."""

UNSAFE_BEGINNINGS = ("provider_session_", "socket_")
"""Beginnings of a key that is refused."""

_ACRONYM = re.compile(r"([A-Z]+)([A-Z][a-z])")
_HUMP = re.compile(r"([a-z0-9])([A-Z])")
_PUNCTUATION = re.compile(r"[\W_]+")


def snake_case(key: str) -> str:
    """Normalise `key` to snake_case: camelCase, spaces, punctuation and look-alike letters."""
    plain = unicodedata.normalize("NFKC", key)
    humps = _HUMP.sub(r"\1_\2", _ACRONYM.sub(r"\1_\2", plain))
    return _PUNCTUATION.sub("_", humps).strip("_").casefold()


def _spellings(names: Iterable[str]) -> frozenset[str]:
    """Return `names` with and without their underscores: `api_key` is spelt `apikey` too."""
    return frozenset(spelling for name in names for spelling in (name, name.replace("_", "")))


class ContextPolicy:
    """The names that a projected context may not carry: the kit's, and those a host adds.

    A host can add names; it cannot remove any of the kit's.
    """

    def __init__(self, more_names: Iterable[str] = ()) -> None:
        if isinstance(more_names, str) or not isinstance(more_names, Iterable):
            problem = f"is {type(more_names).__name__}; pass a collection of names"
            raise InvalidPayload("unsafe_context_names", problem)
        added = (snake_case(checked_name(name, "unsafe_context_names")) for name in more_names)
        self._names = _spellings(UNSAFE_NAMES.union(added))
        self._endings = tuple(f"_{ending}" for ending in sorted(_spellings(UNSAFE_ENDINGS)))

    def check(self, context: Mapping[str, Any], path: str) -> None:
        """Raise `UnsafeProjectedContext` naming the path of the first key that is refused."""
        for key, value in context.items():
            here = child_path(path, key)
            if self._refuses(snake_case(key)):
                raise UnsafeProjectedContext(here, snake_case(key))
            self._check_value(value, here)

    def _check_value(self, value: object, path: str) -> None:
        if isinstance(value, Mapping):
            self.check(value, path)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._check_value(item, f"{path}[{index}]")

    def _refuses(self, name: str) -> bool:
        return (
            name in self._names
            or name.replace("_", "") in self._names
            or name.endswith(self._endings)
            or name.startswith(UNSAFE_BEGINNINGS)
        )
