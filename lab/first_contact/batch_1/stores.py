"""All of the wrong stores; they are written by what they are wrong about."""

from lab.first_contact.batch_1 import stores_due, stores_lasting, stores_lists, stores_text
from lab.first_contact.wrong import Wrong

WRONG: list[Wrong] = [
    *stores_text.WRONG,
    *stores_due.WRONG,
    *stores_lists.WRONG,
    *stores_lasting.WRONG,
]
