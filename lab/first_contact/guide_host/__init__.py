"""The right host that the wrong ones of each batch were made from, with its own decision forms."""

from lab.first_contact.guide_host.app import create_app
from lab.first_contact.guide_host.client import connect

__all__ = ["connect", "create_app"]
