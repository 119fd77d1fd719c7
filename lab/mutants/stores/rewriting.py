"""Stores that keep or give another text than they were given."""

import json
from collections.abc import Sequence

import attrs

from lab.mutants.stores.around import SAID, Rewrites, Tells, installed
from lab.mutants.wrong import Catalogue
from scoria_core.journal import _sha256, genesis
from scoria_core.ports import Record, StoredRun

breaks = Catalogue("store", installed)


@breaks("STORE-8", SAID)
class TruncatesALongText(Rewrites):
    def rewritten(self, body: str) -> str:
        return body[: 64 * 1024]


@breaks("STORE-8", SAID)
class LineEndingsAreMadeOneKind(Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("\r\n", "\n")


@breaks("STORE-8", SAID)
class LettersBeyondTheBmpAreReplaced(Rewrites):
    def rewritten(self, body: str) -> str:
        return "".join(each if each <= "\uffff" else "\ufffd" for each in body)


@breaks("STORE-8", SAID)
class LettersAreComposed(Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("e\u0301", "\u00e9")


@breaks("STORE-8", SAID)
class SpacesAtTheEndsAreStripped(Rewrites):
    def rewritten(self, body: str) -> str:
        return body.strip()


@breaks("STORE-8", SAID)
class BackslashesAreTakenForEscapes(Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("\\n", "\n")


@breaks("STORE-8", "Whatever is stored comes back as it was")
class ByteOrderMarksAreDropped(Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("\ufeff", "")


@breaks("PAYLOAD-3", "Whatever a host hands over comes back equal and in its order")
class ByteOrderMarksOfObjectsAreDropped(ByteOrderMarksAreDropped):
    def rewritten(self, body: str) -> str:
        return super().rewritten(body) if body.startswith('{"') else body


@breaks("PAYLOAD-3", "comes back equal and in its order")
class KeepsJsonWithItsKeysSorted(Tells):
    """It parses what it was given, as a JSON column does, and makes the chain good again."""

    def told(self, run: StoredRun) -> StoredRun:
        texts = [_sorted(each.body) for each in run.records]
        return run if None in texts else _sealed(run, texts)


def _sorted(body: str) -> str | None:
    parsed = json.loads(body) if body.startswith('{"') else None
    if isinstance(parsed, dict):
        return json.dumps(parsed, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return None


def _sealed(run: StoredRun, bodies: Sequence[str | None]) -> StoredRun:
    sealed: list[Record] = []
    for sequence, body in enumerate(bodies, 1):
        text = body or ""
        previous = sealed[-1].digest if sealed else genesis(run.key.run_id)
        sealed.append(Record(sequence, _sha256(previous, text), text))
    return attrs.evolve(run, records=tuple(sealed))


@breaks("JOURNAL-5", "An entry stays as it was, whatever comes later")
class OldEntriesAreRedacted(Tells):
    """It blanks the tool in a long journal, and makes the chain good again."""

    def told(self, run: StoredRun) -> StoredRun:
        tool = '"tool_name":"send_refund"'
        bodies = [each.body.replace(tool, '"tool_name":"redacted"') for each in run.records]
        return run if len(bodies) < 10 else _sealed(run, bodies)
