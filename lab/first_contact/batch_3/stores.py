"""Stores that each break one promise."""

from lab.first_contact.batch_3 import store_lives, store_names, store_times

WRONG = [*store_times.WRONG, *store_names.WRONG, *store_lives.WRONG]
