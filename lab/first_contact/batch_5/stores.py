"""Stores that each break one promise about the index of runs, with a script that shows it."""

from lab.first_contact.batch_5 import store_entries, store_moments, store_orders
from lab.first_contact.wrong import Wrong

WRONG: tuple[Wrong, ...] = (*store_entries.WRONG, *store_orders.WRONG, *store_moments.WRONG)
