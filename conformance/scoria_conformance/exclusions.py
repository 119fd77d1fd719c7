"""Scenarios that an adapter is known to fail, each with a reason and an end date.

An excluded scenario is run anyway. If it passes, that is a failure: the exclusion is stale, and
would hide the next regression.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import attrs

from scoria_conformance.verdict import Check, Status
from scoria_core.errors import ScoriaError, safe_repr

FURTHEST = timedelta(days=90)
"""How far ahead an exclusion may end, so that it is reviewed by then."""

FIELDS = ("scenario", "reason", "until")
"""The fields of an exclusion: all are required, and no others are allowed."""

_HEAD = re.compile(r"^\s*\[\[\s*exclude\s*\]\]", re.MULTILINE)


@attrs.define
class ExclusionsRefused(ScoriaError):
    """A file of exclusions is invalid; one line for each wrong entry."""

    code: ClassVar[str] = "exclusions_refused"
    lines: tuple[str, ...]

    @property
    def message(self) -> str:
        """Say what is wrong, entry by entry."""
        return "\n".join(self.lines)


@attrs.frozen
class Exclusion:
    """A scenario that is excluded through the day `until`; `place` is where that is written."""

    scenario: str
    reason: str
    until: date
    place: str

    def names(self, check: Check) -> bool:
        """Tell whether it names the scenario of `check`, or that one row of its examples."""
        return self.scenario in (check.scenario, check.name)


@attrs.frozen
class Exclusions:
    """The exclusions of a file, and the day on which they are applied."""

    entries: Sequence[Exclusion]
    today: date

    @classmethod
    def read(cls, path: Path, today: date) -> "Exclusions":
        """Return what the file excludes. Raises `ExclusionsRefused`."""
        try:
            text = path.read_text("utf-8")
            return cls(_entries(str(path), text, tomllib.loads(text), today), today)
        except OSError as error:
            problem = error.strerror or type(error).__name__
            line = f"{path}: {problem}; give the path of a TOML file"
        except ValueError as error:
            line = f"{path}: no TOML: {error}; mend it, or quote what has special characters"
        raise ExclusionsRefused((line,))

    def refuse_unknown(self, names: Collection[str]) -> None:
        """Raise `ExclusionsRefused` if an entry names neither a scenario nor a row of one."""
        lines = [
            f"{each.place}: no scenario is called {safe_repr(each.scenario)}; "
            "copy the name from the report, with its example in brackets for one row"
            for each in self.entries
            if each.scenario not in names
        ]
        if lines:
            raise ExclusionsRefused(tuple(lines))

    def applied(self, checks: Sequence[Check]) -> tuple[Check, ...]:
        """Return the checks, excluded ones marked so, and stale exclusions as failures."""
        return tuple(self._applied(check) for check in checks)

    def _applied(self, check: Check) -> Check:
        exclusion = next((each for each in self.entries if each.names(check)), None)
        if exclusion is None or check.status == Status.NOT_APPLICABLE:
            return check
        if self.today > exclusion.until:
            return _expired(check, exclusion)
        return _stale(check, exclusion) if check.status == Status.PASSED else _out(check, exclusion)


def _out(check: Check, exclusion: Exclusion) -> Check:
    reason = f"{exclusion.reason} (until {exclusion.until}; {check.status}: {check.reason})"
    return attrs.evolve(check, status=Status.EXCLUDED, reason=reason)


def _stale(check: Check, exclusion: Exclusion) -> Check:
    reason = f"it passes, but {exclusion.place} excludes it: remove that entry"
    return attrs.evolve(
        check, status=Status.FAILED, reason=reason, expected="a scenario that fails", seen="a pass"
    )


def _expired(check: Check, exclusion: Exclusion) -> Check:
    said = f"its exclusion in {exclusion.place} expired on {exclusion.until} and no longer counts"
    return attrs.evolve(check, reason=f"{check.reason}\n{said}" if check.reason else said)


def _entries(path: str, text: str, document: dict[str, Any], today: date) -> tuple[Exclusion, ...]:
    written = document.get("exclude", [])
    if {*document} - {"exclude"} or not isinstance(written, list):
        line = f"{path}: there is more than [[exclude]] in it; keep each entry under [[exclude]]"
        raise ExclusionsRefused((line,))
    places = list(_places(path, text, len(written)))
    found = list(zip(places, written, strict=True))
    wrong = [f"{place}: {said}" for place, entry in found if (said := _wrong(entry, today))]
    wrong += _repeated(found)
    if wrong:
        raise ExclusionsRefused(tuple(wrong))
    return tuple(Exclusion(**entry, place=place) for place, entry in found)


def _places(path: str, text: str, count: int) -> Iterator[str]:
    heads = [text.count("\n", 0, head.end()) + 1 for head in _HEAD.finditer(text)]
    for number in range(count):
        yield f"{path}:{heads[number]}" if len(heads) == count else f"{path} (entry {number + 1})"


def _wrong(entry: object, today: date) -> str:
    """Return the problem of an entry and its remedy, or ""."""
    if not isinstance(entry, dict):
        return "an entry is no table; write each under [[exclude]]"
    for name in ("scenario", "reason"):
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            return f"{name} is missing or blank; say it in words, in quotes"
    until = entry.get("until")
    if not isinstance(until, date) or isinstance(until, datetime):
        return "until is missing or no date; write it as 2027-01-31, without quotes"
    if until - today > FURTHEST:
        days = FURTHEST.days
        return f"until is more than {days} days ahead; give a day through {today + FURTHEST}"
    more = sorted({*entry} - {*FIELDS})
    return f"{safe_repr(more[0])} is not known; keep to {', '.join(FIELDS)}" if more else ""


def _repeated(found: Sequence[tuple[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for place, entry in found:
        name = entry.get("scenario") if isinstance(entry, dict) else None
        if isinstance(name, str) and name in seen:
            yield f"{place}: {safe_repr(name)} is excluded twice; keep one entry"
        seen.add(str(name))
