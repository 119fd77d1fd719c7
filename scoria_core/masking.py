"""Hides secrets in what is shown of a run: a mark replaces each hidden value.

A mask is a function of a path: the name of a payload (`arguments`, `answer`, `input`,
`projected_context`, `result`, `kept`, `details` of an error, `handoff_input`, `metadata`), then
the keys and list positions that lead to the value. Ids, statuses and digests are never masked, and
neither is free text such as a reason, a note or the message of an error. Stored values do not
change: digests are those of the true values.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar

import attrs

from scoria_core.identity import Identity
from scoria_core.model import Approval
from scoria_core.payloads import MAX_NAME, compact
from scoria_core.projection import snake_case

Path = tuple[str | int, ...]
Mask = Callable[[Path], bool]
"""Whether the value at a path is hidden, with everything below it."""

T = TypeVar("T")

PAYLOADS: Mapping[str, str] = {
    **{name: name for name in ("arguments", "answer", "input", "projected_context", "result")},
    **{name: name for name in ("kept", "details", "handoff_input", "metadata")},
    "proposed_arguments": "arguments",
}
"""The fields that are payloads, and the first part of a path into each."""

SCHEMAS: Mapping[str, str] = {"may_edit": "arguments", "answer_schema": "answer"}
"""The fields that are schemas, and the first part of a path to the values they describe."""

FACTS = ("data", "identity", "error")
"""The fields of a journal entry that contain fields themselves."""

_RECORDS = (
    *("summary", "steps", "approvals", "pending_approvals", "delegated_handoffs", "journal", "run"),
)
_HOLDING = (*PAYLOADS, *SCHEMAS, *FACTS, *_RECORDS)

_ANYWHERE = re.compile(
    "password|passwd|passphrase|passcode|credential|authori[sz]ation|apikey|privatekey|secretkey"
    "|accesskey|signingkey|encryptionkey|cardnumber|creditcard|socialsecurity|connectionstring"
)
_WORDS = frozenset(
    {"secrets", "cookies", "bearer", "jwt", "otp", "pin", "pwd", "cvv", "cvc", "ssn"}
)
_ENDINGS = ("secret", "token", "cookie")
_TOKENS_OF = frozenset(
    {"access", "refresh", "auth", "oauth", "api", "bearer", "session", "csrf", "device", "push"}
)
_MEASURES = frozenset(
    {"count", "counts", "length", "size", "limit", "budget", "usage", "age", "ttl", "expiry"}
    | {"type", "policy", "status", "strength", "at"}
)
_QUESTIONS = frozenset({"is", "has", "needs", "requires", "max", "min", "num"})
_WORD = re.compile(r"[^\W\d_]+")

_NAMING = frozenset({"name", "key", "header", "field"})
_NAMED = frozenset({"value", "values"})
_VALUES_OF_SCHEMAS = frozenset({"default", "const", "enum", "examples"})
_ABSENT = object()


def secret_by_name(path: Path) -> bool:
    """Tell whether the last key of a path is the name of a secret, in any usual spelling.

    The words of the name decide: `client_secret`, `accessToken`, `X-Api-Key`, `dbPassword2` and
    `card number` are secrets. A number, a length, a type or a yes-or-no question about a secret is
    not: `token_count`, `maxTokens`, `password_expires_at`, `has_password`. Nor is the plural
    `tokens`, unless it follows a word such as `access`.
    """
    last = path[-1]
    if isinstance(last, int):
        return False
    return _is_secret(last) if len(last) > MAX_NAME else _is_known_secret(last)


def _is_secret(name: str) -> bool:
    words = _WORD.findall(snake_case(name))
    if not words or words[-1] in _MEASURES or words[0] in _QUESTIONS or "expires" in words:
        return False
    letters = "".join(words)
    return (
        _ANYWHERE.search(letters) is not None
        or any(word in _WORDS or word.endswith(_ENDINGS) for word in (*words, letters))
        or words[-1] == "auth"
        or ("tokens" in words and not _TOKENS_OF.isdisjoint(words))
    )


# Only short names are cached: a long one could fill the memory, as its author likes.
_is_known_secret = lru_cache(maxsize=4096)(_is_secret)


@attrs.frozen
class Marks:
    """The texts that replace a hidden value, and a hidden value that was edited by an approver."""

    hidden: str = "••••••"
    edited: str = "•••••• (edited)"


def masked(value: T, mask: Mask, marks: Marks = Marks()) -> T:
    """Return a value of `scoria_core.model`, or a tuple of them, with its secrets hidden.

    Returns the same object if nothing is hidden. A payload that is hidden as a whole becomes an
    object with one mark. An exception of `mask` passes through.
    """
    shown: T = _Masking(mask, marks).record(value)
    return shown


@attrs.frozen
class _Masking:
    mask: Mask
    marks: Marks

    def record(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return _same_or(value, tuple(map(self.record, value)))
        if isinstance(value, Identity):  # its constructor checks metadata; a mark may not pass
            metadata = self.fact("metadata", value.metadata)
            return value if metadata is value.metadata else value.with_metadata(metadata)
        changed = {}
        for name in _fields(type(value)):  # type: ignore[arg-type]  # a class is hashable
            old = getattr(value, name)
            if (new := self.fact(name, old)) is not old:
                changed[name] = new
        if changed and isinstance(value, Approval):
            changed["arguments"] = self.payload(
                "arguments", value.arguments, value.proposed_arguments
            )
        return attrs.evolve(value, **changed) if changed else value

    def fact(self, name: str, value: Any) -> Any:
        """Return a field of a record, or of the data of an entry, with its secrets hidden."""
        if value is None:
            return None
        if name in PAYLOADS:
            return self.payload(PAYLOADS[name], value, value)
        if name in SCHEMAS:
            path = (SCHEMAS[name],)
            return self.schema(path, value, is_hidden=self.mask(path))
        if isinstance(value, Mapping):
            return self._facts(value) if name in FACTS else value
        return self.record(value)

    def _facts(self, facts: Mapping[str, Any]) -> Any:
        return _same_or(facts, {name: self.fact(name, each) for name, each in facts.items()})

    def payload(self, name: str, value: Any, before: Any) -> Any:
        """Return a payload with its secrets hidden; one not as `before` is marked edited."""
        path = (name,)
        if not self.mask(path):
            return self._below(path, value, before)
        mark = self._mark(value, before)
        return {mark: mark} if isinstance(value, Mapping) else mark

    # One frame for each level: a payload may nest to a fifth of the depth that Python allows.
    def _below(self, path: Path, value: Any, before: Any) -> Any:
        shown: Any
        then: Any
        if isinstance(value, Mapping):
            had = before if isinstance(before, Mapping) else {}
            named = self._hidden_values(path, value)
            shown = {}
            for key, each in value.items():
                then, below = had.get(key, _ABSENT), (*path, key)
                is_hidden = key in named or self.mask(below)
                shown[key] = self._mark(each, then) if is_hidden else self._below(below, each, then)
            return _same_or(value, shown)
        if isinstance(value, list):
            was = before if isinstance(before, list) else []
            shown = []
            for i, each in enumerate(value):
                then, below = was[i] if i < len(was) else _ABSENT, (*path, i)
                if self.mask(below):
                    shown.append(self._mark(each, then))
                elif _is_pair(each) and self.mask((*below, each[0])):
                    old = then[1] if _is_pair(then) and then[0] == each[0] else _ABSENT
                    shown.append([each[0], self._mark(each[1], old)])
                else:
                    shown.append(self._below(below, each, then))
            return _same_or(value, shown)
        return value

    def _hidden_values(self, path: Path, value: Mapping[str, Any]) -> Sequence[str]:
        """Return the keys of hidden values in objects such as {"name": "Token", "value": "…"}."""
        named = [key for key in value if key.casefold() in _NAMED]
        names = named and [each for key, each in value.items() if key.casefold() in _NAMING]
        is_hidden = any(self.mask((*path, name)) for name in names if isinstance(name, str))
        return named if is_hidden else ()

    def schema(self, path: Path, schema: Any, *, is_hidden: bool) -> Any:
        """Return a schema without its defaults, constants and examples of hidden values."""
        if isinstance(schema, list):
            shown = [self.schema(path, each, is_hidden=is_hidden) for each in schema]
            return _same_or(schema, shown)
        if not isinstance(schema, Mapping):
            return schema
        told = {}
        for key, each in schema.items():
            if key == "properties" and isinstance(each, Mapping):
                told[key] = self._properties(path, each, is_hidden=is_hidden)
            elif key not in _VALUES_OF_SCHEMAS:
                told[key] = self.schema(path, each, is_hidden=is_hidden)
            elif not is_hidden:
                told[key] = self._below(path, each, each)
        return _same_or(schema, told)

    def _properties(self, path: Path, properties: Mapping[str, Any], *, is_hidden: bool) -> Any:
        told = {}
        for name, each in properties.items():
            below = (*path, name)
            told[name] = self.schema(below, each, is_hidden=is_hidden or self.mask(below))
        return _same_or(properties, told)

    def _mark(self, value: Any, before: Any) -> str:
        if before is value:
            return self.marks.hidden
        is_edited = before is _ABSENT or compact(before) != compact(value)
        return self.marks.edited if is_edited else self.marks.hidden


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _same_or(old: Any, new: Any) -> Any:
    """Return `old` if `new` has the same objects in the same places, else `new`."""
    if len(old) != len(new):
        return new
    if isinstance(old, Mapping):
        is_same = all(new[key] is each for key, each in old.items())
    else:
        is_same = all(one is other for one, other in zip(old, new, strict=True))
    return old if is_same else new


@cache
def _fields(kind: Hashable) -> tuple[str, ...]:
    """Return the fields of a class that are payloads or contain some."""
    return tuple(name for name in _HOLDING if hasattr(kind, name))
