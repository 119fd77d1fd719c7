"""Mails who is to decide: a link each, a reminder, and word when nobody did.

    python examples/notify_mail.py sqlite:///runs.db smtp://localhost:1025 https://host.example/links

Start as many as you like beside the host and its workers: each mail is sent once, and once more
only where a process died while it sent it; then it has the same Message-ID.
"""

import os
import smtplib
import sys
import threading
from collections.abc import Mapping
from email.message import EmailMessage
from urllib.parse import urlsplit

import attrs

from scoria_core import Event, Scoria
from scoria_web import DecisionLinks
from scoria_worker import Worker

SUBJECTS: Mapping[str, str] = {
    "approval.requested": "Please decide",
    "approval.reminded": "Still waiting for you",
    "approval.expired": "Nobody decided in time",
}


@attrs.frozen
class Mailer:
    """A listener that mails everybody to whom a request is assigned, by ids that are addresses."""

    server: str
    links: DecisionLinks
    sender: str = "runs@host.example"

    def __call__(self, event: Event) -> None:
        """Send the mails of an event; one that cannot be sent is sent later, with the others."""
        if event.type not in SUBJECTS:
            return
        place = urlsplit(self.server)
        with smtplib.SMTP(place.hostname or "localhost", place.port or 25, timeout=10) as smtp:
            for address in event.assigned_to:
                smtp.send_message(self.mail(event, address))

    def mail(self, event: Event, address: str) -> EmailMessage:
        """Return the mail of an event to one person."""
        message = EmailMessage()
        message["From"], message["To"] = self.sender, address
        message["Subject"] = f"{SUBJECTS[event.type]}: {event.tool_name}"
        message["Message-ID"] = f"<{event.event_id}/{address.replace('@', '.')}@host.example>"
        lines = [f"{event.tool_name}: {event.reason}"]
        if event.type != "approval.expired":
            lines += ["", "Decide here, and do not pass this link on:"]
            lines.append(self.links.link(event, address))
        if event.expires_at is not None:
            lines += ["", f"Until {event.expires_at:%Y-%m-%d %H:%M} UTC"]
        message.set_content("\n".join(lines))
        return message


def main(store: str, server: str, base_url: str) -> None:
    """Mail what happens in a store until it is stopped."""
    mailer = Mailer(server, DecisionLinks(base_url, os.environ["LINK_SECRET"]))
    stop = threading.Event()
    with Scoria.open(store, listeners={"mail": mailer}) as scoria:
        print("mailing", flush=True)  # noqa: T201 - this is a command
        # A worker without handlers carries out no step; it reminds, and notes what has expired.
        Worker(scoria, stop=stop).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
