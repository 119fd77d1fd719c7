"""None."""

from lab.first_contact.wrong import Wrong

WRONG: list[Wrong] = []
