"""Mails who is to decide: a link each, a reminder, and word when nobody did.

    LINK_SECRET=... python examples/notify_mail.py STORE smtp://HOST:PORT BASE_URL

STORE is the URL of the host's store, such as sqlite:///runs.db. BASE_URL is where the host serves
its `link_app`, and LINK_SECRET the secret of that app's links, of 16 characters or more.

Start as many as you like beside the host and its workers: each mail is sent once, and once more
only where a process died while it sent it; then it has the same Message-ID.
"""

import logging
import os
import smtplib
import sys
from collections.abc import Mapping
from email.message import EmailMessage
from urllib.parse import SplitResult, urlsplit

import attrs

from scoria_core import Event, Scoria, ScoriaError
from scoria_web import DecisionLinks
from scoria_worker import Worker, stopping

logger = logging.getLogger("notify_mail")

GRACE = 10.0
"""How many seconds a mail has to end after SIGTERM or Ctrl-C."""

SUBJECTS: Mapping[str, str] = {
    "approval.requested": "Please decide",
    "approval.reminded": "Still waiting for you",
    "approval.expired": "Nobody decided in time",
}


def smtp_place(url: str) -> SplitResult:
    """Return the parts of `smtp://HOST:PORT`; raises `ValueError` for any other URL."""
    place = urlsplit(url)
    is_whole = url == f"smtp://{place.netloc}" and "@" not in place.netloc
    if not (is_whole and place.hostname and place.port):
        raise ValueError("the mail server must be smtp://HOST:PORT, without a user or a path")
    return place


@attrs.frozen
class Mailer:
    """A listener that mails everybody a request is assigned to; their ids are mail addresses."""

    server: SplitResult = attrs.field(converter=smtp_place)
    links: DecisionLinks
    sender: str = "runs@host.example"

    def __call__(self, event: Event) -> None:
        """Send the mails of an event, one to each person.

        One accepted mail is enough: then the event counts as delivered. A refused address is
        logged and gets no mail of this event, because another delivery would mail the others
        again. Raises the last refusal if all were refused; then the event is delivered again.
        """
        if event.type not in SUBJECTS or not event.assigned_to:
            return
        refused: list[Exception] = []
        with smtplib.SMTP(self.server.hostname or "", self.server.port or 0, timeout=10) as smtp:
            for address in event.assigned_to:
                try:
                    smtp.send_message(self.mail(event, address), to_addrs=[address])
                except Exception as error:  # noqa: BLE001 - `email` raises many for no address
                    logger.warning("%r got no mail of %s: %s", address, event.event_id, error)
                    refused.append(error)
        if len(refused) == len(event.assigned_to):
            raise refused[-1]

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
    mailer = Mailer(server, DecisionLinks(base_url, os.environ.get("LINK_SECRET", "")))
    with Scoria.open(store, listeners={"mail": mailer}) as scoria:
        # A worker without handlers carries out no step; it reminds, and notes what has expired.
        worker = Worker(scoria)
        with stopping(worker, GRACE):
            print("mailing", flush=True)  # noqa: T201 - this is a command
            worker.run()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (ScoriaError, ValueError) as refusal:
        sys.exit(f"notify_mail: {refusal}")
