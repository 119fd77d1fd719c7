"""Stores that keep or give another text than they were given."""

import json
from typing import Any

from lab.mutants.stores.around import (
    SAID,
    Around,
    Rewrites,
    installed,
)
from lab.mutants.wrong import Catalogue
from scoria_core.journal import _sha256, genesis
from scoria_core.ports import Record

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


@breaks("PAYLOAD-3", "the order or the kind of a value changed")
class KeepsJsonWithItsKeysSorted(Around):
    """It parses what it was given, as a JSON column does, and makes the chain good again."""

    def read(self, run_id: str) -> Any:
        sealed: list[Record] = []
        for each in self.store.read(run_id):
            body = json.loads(each.body) if each.body.startswith('{"') else each.body
            if isinstance(body, str):
                return self.store.read(run_id)
            text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            previous = sealed[-1].digest if sealed else genesis(run_id)
            sealed.append(Record(each.sequence, _sha256(previous, text), text))
        return sealed


@breaks("JOURNAL-5", "An entry stays as it was, whatever comes later")
class OldEntriesAreRedacted(Around):
    """It blanks the tool in a long journal, and makes the chain good again."""

    def read(self, run_id: str) -> Any:
        found = self.store.read(run_id)
        if len(found) < 10:
            return found
        sealed: list[Record] = []
        for each in found:
            body = each.body.replace('"tool_name":"send_refund"', '"tool_name":"redacted"')
            previous = sealed[-1].digest if sealed else genesis(run_id)
            sealed.append(Record(each.sequence, _sha256(previous, body), body))
        return sealed
