"""All stores of this batch that are wrong."""

from lab.first_contact.batch_2 import (
    stores_bodies,
    stores_ids,
    stores_late,
    stores_time,
    stores_writes,
)
from lab.first_contact.wrong import Wrong

WRONG: list[Wrong] = [
    *stores_bodies.WRONG,
    *stores_ids.WRONG,
    *stores_time.WRONG,
    *stores_writes.WRONG,
    *stores_late.WRONG,
]
