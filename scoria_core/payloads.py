"""Payloads and names: JSON objects and texts that any store returns exactly as they were given."""

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.ways_out import object_way_out, way_out

MAX_BYTES = 256 * 1024
"""The default limit of one payload, in bytes of UTF-8."""

MAX_DEPTH = 200
"""How deep a payload may nest; the standard library's parser gives up soon after."""

MAX_INT_BITS = 14_000
"""How large an integer may be; Python refuses to print or parse one of over 4,300 digits."""

MAX_NAME = 255
"""How many characters a name or an id may have, so that any store can index it."""


# Controls, and the separators of lines and of paragraphs: a name is one line.
_LINE_BREAKING = ("Cc", "Zl", "Zp")


_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
)


plain_str: Callable[[str], str] = str.__str__
"""Returns a plain `str`: for a `(str, Enum)` member, `str()` would not return its value."""


def text_problem(value: str) -> str | None:
    """Say why `value` cannot be stored as text, or None where it can."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return "has half of a surrogate pair, which is not Unicode text"
    return None


def name_problem(value: str) -> str | None:
    """Say why `value` cannot serve as a name or an id, or None where it can."""
    if not value.strip():
        return "is blank"
    if value.isascii() and value.isprintable() and len(value) <= MAX_NAME:
        return None
    if len(value) > MAX_NAME:
        return f"has {len(value)} characters, more than {MAX_NAME}"
    if any(unicodedata.category(character) in _LINE_BREAKING for character in value):
        return f"has a control character: {safe_repr(value)}"
    return text_problem(value)


def checked_name(value: object, path: str) -> str:
    """Return `value` as a non-blank name, or raise `InvalidPayload` naming `path`."""
    if not isinstance(value, str):
        raise InvalidPayload(path, f"is {type(value).__name__}; pass a non-blank str")
    if problem := name_problem(value):
        raise InvalidPayload(
            path, f"{problem}; pass a name of 1 to {MAX_NAME} printable characters"
        )
    return plain_str(value)


def checked_text(value: object, path: str, max_bytes: int = MAX_BYTES) -> str:
    """Return `value` as text of any length up to the limit, or raise `InvalidPayload`."""
    if not isinstance(value, str):
        raise InvalidPayload(path, f"is {type(value).__name__}; pass a str")
    if problem := text_problem(value):
        raise InvalidPayload(path, f"{problem}; replace it")
    _check_size(len(value.encode()), path, max_bytes)
    return plain_str(value)


def checked_payload(value: object, path: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return a deep copy of the JSON object `value`, made of plain dicts and lists.

    Raises `InvalidPayload` naming the path and the type of what is not JSON: keys that are not
    str, numbers that are not finite, bytes, tuples, sets, objects, cycles, or more than
    `max_bytes` as compact UTF-8.
    """
    if type(value) is not dict and not isinstance(value, Mapping):
        next_move = object_way_out(value) or "pass a mapping (a JSON object)"
        raise InvalidPayload(path, f"is {type(value).__name__}; {next_move}")
    plain: dict[str, Any] = checked_json(value, path, max_bytes)
    return plain


def checked_json(value: object, path: str, max_bytes: int = MAX_BYTES) -> Any:
    """Return a deep copy of any JSON value; errors as `checked_payload`."""
    copier = _Copier(path, max_bytes)
    plain = copier.copy(value, path, ())
    if MOST_BYTES * copier.least_bytes > max_bytes:
        _check_size(len(compact(plain).encode()), path, max_bytes)
    return plain


def copied(value: Any) -> Any:
    """Return a deep copy of a JSON value, faster than `copy.deepcopy` does."""
    if type(value) not in _CONTAINERS:
        return value
    copy = value.copy()
    for key, each in copy.items() if type(copy) is dict else enumerate(copy):
        if type(each) in _CONTAINERS:
            copy[key] = copied(each)
    return copy


def compact(value: object) -> str:
    """Return `value` as JSON without spaces, keys in their order."""
    return _COMPACT.encode(value)


def parsed(text: str | bytes) -> Any:
    """Return the value of a JSON text in which two readers find the same.

    Raises `ValueError` where it is no JSON, has a key twice in an object or a number that is none,
    and `RecursionError` where it is nested too deep to be read.
    """
    return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_number)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {safe_repr(repeated)} is there twice")
    return read


def _refuse_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value, the same whatever the order of its keys."""
    return "sha256:" + hashlib.sha256(_SORTED.encode(value).encode()).hexdigest()


def child_path(path: str, key: object) -> str:
    """Return the path of the value under `key` of the object at `path`."""
    if isinstance(key, str) and key.isidentifier() and len(key) <= MAX_NAME:
        return f"{path}.{key}"
    return f"{path}[{safe_repr(key)}]"


def _check_size(size: int, path: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidPayload(
            path,
            f"has more than {max_bytes} bytes; "
            "keep large content in your own store and hand over a reference",
        )


_CONTAINERS = (dict, list)

MOST_BYTES = 32
"""An upper bound for the bytes of JSON for each byte that a value counts as.

A float has the most for the one it counts as; a character of a text has up to six.
"""

_Where = str | tuple[Any, object]
"""The path of a value: that of the payload, or where its container is, and its key or index there.

A path is written only where there is something to say about its value.
"""


class _Copier:
    """Copies one payload, and stops once it must exceed the allowed size.

    A few lists that contain each other twice, or one text many times, can stand for more than fits
    in memory. So every value counts as at least one byte, and a text as its number of characters.
    """

    def __init__(self, root: str, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self.least_bytes = 0

    def copy(self, value: object, where: _Where, parents: tuple[int, ...]) -> Any:
        self.least_bytes += 1
        if self.least_bytes > self._max_bytes:
            _check_size(self.least_bytes, self._root, self._max_bytes)
        if type(value) in _CONTAINERS:
            return self._copy_container(value, where, parents)  # type: ignore[arg-type]  # one of both
        if isinstance(value, str):
            is_plain = type(value) is str and value.isascii()
            text: str = value if is_plain else _plain_str(value, where)
            self.least_bytes += len(text)
            return text
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            number = _plain_int(value, where)
            self.least_bytes += number.bit_length() // 4
            return number
        if isinstance(value, float):
            return _plain_float(value, where)
        if isinstance(value, Mapping | list):
            return self._copy_container(value, where, parents)
        known = "JSON has objects, lists, str, finite numbers, true, false and null"
        raise InvalidPayload(_path(where), f"is {type(value).__name__}; {way_out(value) or known}")

    def _copy_container(
        self, value: Mapping[Any, Any] | list[Any], where: _Where, parents: tuple[int, ...]
    ) -> dict[str, Any] | list[Any]:
        if id(value) in parents:
            problem = f"is a {type(value).__name__} inside itself; break the cycle"
            raise InvalidPayload(_path(where), problem)
        if len(parents) >= MAX_DEPTH:
            raise InvalidPayload(_path(where), f"nests deeper than {MAX_DEPTH}; flatten it")
        parents = (*parents, id(value))
        if isinstance(value, list):
            return [self.copy(item, (where, i), parents) for i, item in enumerate(value)]
        copied = {}
        for key, item in value.items():
            plain = key if type(key) is str and key.isascii() else _plain_key(key, where)
            self.least_bytes += len(plain)
            copied[plain] = self.copy(item, (where, key), parents)
        if len(copied) != len(value):
            problem = "has two keys that are the same text; keep one of them"
            raise InvalidPayload(_path(where), problem)
        return copied


def _path(where: _Where) -> str:
    if isinstance(where, str):
        return where
    container, key = where
    path = _path(container)
    return f"{path}[{key}]" if type(key) is int else child_path(path, key)


def _plain_str(value: str, where: _Where) -> str:
    if problem := text_problem(value):
        raise InvalidPayload(_path(where), f"{problem}; replace it")
    return plain_str(value)


def _plain_int(value: int, where: _Where) -> int:
    if value.bit_length() > MAX_INT_BITS:
        problem = "is an int of more than 4,200 digits; pass it as a str"
        raise InvalidPayload(_path(where), problem)
    return int(value)


def _plain_float(value: float, where: _Where) -> float:
    if not math.isfinite(value):
        problem = f"is the float {value}, which JSON cannot represent; use null or a str"
        raise InvalidPayload(_path(where), problem)
    return float(value)


def _plain_key(key: object, where: _Where) -> str:
    if not isinstance(key, str):
        told = f"has the {type(key).__name__} key {safe_repr(key)}; use a str"
        raise InvalidPayload(_path(where), told)
    if problem := text_problem(key):
        raise InvalidPayload(_path(where), f"has a key that {problem}; replace it")
    return plain_str(key)
