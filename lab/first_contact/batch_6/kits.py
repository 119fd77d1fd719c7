"""Kits of which one function was changed for the worse, each with the script that shows it."""

from lab.first_contact.batch_6 import (
    kits_of_decisions,
    kits_of_listings,
    kits_of_runs,
    kits_of_steps,
)

WRONG = (
    *kits_of_runs.WRONG,
    *kits_of_steps.WRONG,
    *kits_of_decisions.WRONG,
    *kits_of_listings.WRONG,
)
