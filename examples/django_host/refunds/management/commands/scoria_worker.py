"""`manage.py scoria_worker`: carries out what decisions have queued."""

from django.core.management.base import BaseCommand

from refunds.scoria import scoria
from scoria_worker import Worker, stopping


class Command(BaseCommand):
    """Works until SIGTERM, which lets the steps at work end."""

    help = "Carry out queued steps until SIGTERM. Start as many as you like."

    def add_arguments(self, parser):
        """Take how many steps at once."""
        parser.add_argument("--concurrency", type=int, default=4)

    def handle(self, *, concurrency, **options):
        """Work, with a connection of Django's and one of Scoria's for each step at work."""
        worker = Worker(scoria(), concurrency=concurrency)
        with scoria(), stopping(worker, grace=30):
            worker.run()
