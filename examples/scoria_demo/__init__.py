"""The guide's host as a Flask app: two controllers, a login stub and the evidence page."""

from scoria_demo.app import create_app
from scoria_demo.checklist import Seen, walk
from scoria_demo.client import connect

__all__ = ["Seen", "connect", "create_app", "walk"]
