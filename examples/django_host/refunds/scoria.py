"""The store of this process: opened by its first request, and so after a fork."""

from django.conf import settings

from refunds.handlers import HANDLERS
from scoria_core import PerProcess, Scoria

# Not in `AppConfig.ready`: gunicorn --preload calls that before it forks.
scoria = PerProcess(lambda: Scoria.open(settings.SCORIA_STORE, handlers=HANDLERS))
