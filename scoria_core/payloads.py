"""Payloads and names: JSON objects and texts that any store returns exactly as they were given."""

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
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


def plain_str(value: str) -> str:
    """Return a plain `str`: for a `(str, Enum)` member, `str()` would not return its value."""
    return str.__str__(value)


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
    if not isinstance(value, Mapping):
        next_move = object_way_out(value) or "pass a mapping (a JSON object)"
        raise InvalidPayload(path, f"is {type(value).__name__}; {next_move}")
    plain: dict[str, Any] = checked_json(value, path, max_bytes)
    return plain


def checked_json(value: object, path: str, max_bytes: int = MAX_BYTES) -> Any:
    """Return a deep copy of any JSON value; errors as `checked_payload`."""
    copier = _Copier(path, max_bytes)
    plain = copier.copy(value, path, ())
    if copier.most_bytes > max_bytes:
        _check_size(len(compact(plain).encode()), path, max_bytes)
    return plain


def copied(value: Any) -> Any:
    """Return a deep copy of a JSON value, faster than `copy.deepcopy` does."""
    kind = type(value)
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if kind is list else value


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


class _Copier:
    """Copies one payload, and stops once it must exceed the allowed size.

    A few lists that contain each other twice, or one text many times, can stand for more than fits
    in memory. So every value counts as at least one byte, and a text as its number of characters.
    """

    def __init__(self, root: str, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._least_bytes = 0

    @property
    def most_bytes(self) -> int:
        """An upper bound for the size of the copy as JSON, in bytes.

        A float has the most bytes for the one it was counted as; a character of a text has up to
        six.
        """
        return 32 * self._least_bytes

    def copy(self, value: object, path: str, parents: tuple[int, ...]) -> Any:
        self._count(1)
        if type(value) in _CONTAINERS:
            return self._copy_container(value, path, parents)  # type: ignore[arg-type]  # one of both
        if isinstance(value, str):
            self._count(len(value))
            return _plain_str(value, path)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            plain = _plain_int(value, path)
            self._count(plain.bit_length() // 4)
            return plain
        if isinstance(value, float):
            return _plain_float(value, path)
        if isinstance(value, Mapping | list):
            return self._copy_container(value, path, parents)
        known = "JSON has objects, lists, str, finite numbers, true, false and null"
        raise InvalidPayload(path, f"is {type(value).__name__}; {way_out(value) or known}")

    def _count(self, least_bytes: int) -> None:
        self._least_bytes += least_bytes
        _check_size(self._least_bytes, self._root, self._max_bytes)

    def _copy_container(
        self, value: Mapping[Any, Any] | list[Any], path: str, parents: tuple[int, ...]
    ) -> dict[str, Any] | list[Any]:
        if id(value) in parents:
            raise InvalidPayload(
                path, f"is a {type(value).__name__} inside itself; break the cycle"
            )
        if len(parents) >= MAX_DEPTH:
            raise InvalidPayload(path, f"nests deeper than {MAX_DEPTH}; flatten it")
        parents = (*parents, id(value))
        if isinstance(value, list):
            return [self.copy(item, f"{path}[{i}]", parents) for i, item in enumerate(value)]
        copied = {}
        for key, item in value.items():
            plain = _plain_key(key, path)
            self._count(len(plain))
            copied[plain] = self.copy(item, child_path(path, key), parents)
        if len(copied) != len(value):
            raise InvalidPayload(path, "has two keys that are the same text; keep one of them")
        return copied


def _plain_str(value: str, path: str) -> str:
    if problem := text_problem(value):
        raise InvalidPayload(path, f"{problem}; replace it")
    return plain_str(value)


def _plain_int(value: int, path: str) -> int:
    if value.bit_length() > MAX_INT_BITS:
        raise InvalidPayload(path, "is an int of more than 4,200 digits; pass it as a str")
    return int(value)


def _plain_float(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise InvalidPayload(
            path, f"is the float {value}, which JSON cannot represent; use null or a str"
        )
    return float(value)


def _plain_key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidPayload(path, f"has the {type(key).__name__} key {safe_repr(key)}; use a str")
    if problem := text_problem(key):
        raise InvalidPayload(path, f"has a key that {problem}; replace it")
    return plain_str(key)
