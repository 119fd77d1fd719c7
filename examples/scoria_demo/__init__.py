"""The guide's host as a Flask app: a few controllers, a login stub and the mounted console."""

from scoria_demo.app import create_app
from scoria_demo.checklist import Seen, walk
from scoria_demo.client import connect
from scoria_demo.handlers import HANDLERS
from scoria_demo.stock import stock

__all__ = ["HANDLERS", "Seen", "connect", "create_app", "stock", "walk"]
