"""Changes of the kit itself that each break one promise about decisions."""

from lab.first_contact.batch_4 import (
    kits_edits,
    kits_people,
    kits_requests,
    kits_schemas,
    kits_times,
)

WRONG = [
    *kits_edits.WRONG,
    *kits_schemas.WRONG,
    *kits_people.WRONG,
    *kits_requests.WRONG,
    *kits_times.WRONG,
]
