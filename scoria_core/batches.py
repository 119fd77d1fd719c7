"""Encodes the records of one append as one text, for stores that keep one row per append.

One row with all records of an append is cheaper than one row per record. The text is a JSON array
with `[sequence, digest, body]` for each record.
"""

import json
from collections.abc import Iterable, Sequence

from scoria_core.errors import StoreCorrupt
from scoria_core.payloads import compact
from scoria_core.ports import Record


def encode_batch(records: Sequence[Record]) -> str:
    """Return records as one text."""
    return compact([(each.sequence, each.digest, each.body) for each in records])


def decode_batch(run_id: str, texts: Iterable[str]) -> list[Record]:
    """Return the records of a run from its texts, in order.

    Raises `StoreCorrupt`, naming the first record that could not be read.
    """
    records: list[Record] = []
    for text in texts:
        try:
            for sequence, digest, body in json.loads(text):
                records.append(Record(sequence, _text(digest), _text(body)))
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreCorrupt(run_id, len(records) + 1, "is not readable") from error
    return records


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
