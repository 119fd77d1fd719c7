"""All of the wrong evidence pages: those that answer wrongly, and those that show wrongly."""

from lab.first_contact.batch_1 import pages_asked, pages_shown
from lab.first_contact.wrong import Wrong

WRONG: list[Wrong] = [*pages_asked.WRONG, *pages_shown.WRONG]
