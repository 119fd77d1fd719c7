"""Posts events to a URL: CloudEvents in JSON, signed as Standard Webhooks are.

The receiver is not trusted: redirects are not followed, addresses that are not public are refused,
the body of an answer is not read, and each post has a time limit.
"""

import asyncio
import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpcore
import standardwebhooks
from cloudevents.core.bindings.http import HTTPMessage, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from scoria_core import Event
from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.events import EVENT_TYPES
from scoria_core.payloads import checked_name
from scoria_core.validation import checked_seconds
from scoria_notify.addresses import AddressRefused, PublicNetwork

LEAST_SECRET = 24
"""The least number of bytes in a secret, as Standard Webhooks require."""

MAX_TIMEOUT = 25.0
"""The longest that one post may take, in seconds: less than half the time that a claim lasts."""


class NotDelivered(Exception):
    """The reason why an event was not accepted; without the URL, which may contain a secret."""


def _event_types(types: Iterable[str]) -> frozenset[str]:
    # A str would be taken apart into its letters, and an unknown type would never be posted.
    if isinstance(types, str) or not isinstance(types, Iterable):
        problem = f"is {type(types).__name__}; pass a list of types, such as approval.requested"
        raise InvalidPayload("types", problem)
    given = tuple(types)
    for each in given:
        if each not in EVENT_TYPES:
            near = get_close_matches(each, EVENT_TYPES, n=1) if isinstance(each, str) else ()
            say = f"did you mean {near[0]!r}?" if near else f"pass some of {', '.join(EVENT_TYPES)}"
            raise InvalidPayload("types", f"has {safe_repr(each)}, which is no event type; {say}")
    return frozenset(given)


@attrs.frozen
class Webhook:
    """A listener that posts each event to `url`; an answer of 2xx means that it was accepted.

    `secret` is `whsec_` and base64 of 24 bytes or more. `types` are the event types that are
    posted, such as `approval.requested`; with none, all are. `allow_inner` also allows
    addresses that are not public, and `http://`. Raises `InvalidPayload` naming the argument that
    cannot be used.
    """

    url: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)
    types: frozenset[str] = attrs.field(default=(), converter=_event_types)
    source: str = "scoria"
    allow_inner: bool = False
    timeout: float = 10.0
    _signing: standardwebhooks.Webhook = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._check_url()
        checked_name(self.source, "source")
        if not isinstance(self.allow_inner, bool):  # a text such as "no" would count as a yes
            problem = f"is {type(self.allow_inner).__name__}; pass True or False"
            raise InvalidPayload("allow_inner", problem)
        if checked_seconds(self.timeout, "timeout", may_be_0=False) > MAX_TIMEOUT:
            raise InvalidPayload("timeout", f"must be at most {MAX_TIMEOUT:g} seconds")
        object.__setattr__(self, "_signing", _signing(self.secret))

    @property
    def name(self) -> str:
        """A name for the listener: the host of the URL, and a digest that reveals no secret."""
        digest = hashlib.sha256(self.url.encode()).hexdigest()
        return f"{urlsplit(self.url).hostname}-{digest[:8]}"

    async def __call__(self, event: Event) -> None:
        """Post an event, if it is of one of the types. Raises `NotDelivered`."""
        if self.types and event.type not in self.types:
            return
        message = cloud_event(event, self.source)
        try:
            async with asyncio.timeout(self.timeout):
                status = await self._post(event, message)
        except TimeoutError:
            raise NotDelivered(f"no answer within {self.timeout:g} s") from None
        except AddressRefused as error:
            raise NotDelivered(str(error)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from None
        if not 200 <= status < 300:
            raise NotDelivered(f"answered {status}")

    async def _post(self, event: Event, message: HTTPMessage) -> int:
        at, body = datetime.now(UTC), message.body
        signature = self._signing.sign(event.event_id, at, body.decode())
        headers = {
            "host": urlsplit(self.url).netloc,
            **message.headers,
            "content-length": str(len(body)),
            "user-agent": "scoria-kit",
            "webhook-id": event.event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        network = PublicNetwork(self.allow_inner)
        async with (
            httpcore.AsyncConnectionPool(network_backend=network) as pool,
            pool.stream("POST", self.url, headers=list(headers.items()), content=body) as answer,
        ):
            # The body is not read: the connection is closed after this one post.
            return int(answer.status)

    def _check_url(self) -> None:
        if not isinstance(self.url, str):
            problem = f"is {type(self.url).__name__}; pass a str such as https://HOST/PATH"
            raise InvalidPayload("url", problem)
        try:
            parts = urlsplit(self.url)
            is_whole = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_whole = False
        schemes = ("https", "http") if self.allow_inner else ("https",)
        if not is_whole or " " in self.url or not (self.url.isascii() and self.url.isprintable()):
            raise InvalidPayload("url", "is no URL; write it as https://HOST/PATH")
        if parts.scheme not in schemes:
            problem = f"must begin with {' or '.join(f'{each}://' for each in schemes)}"
            raise InvalidPayload("url", problem)
        if parts.username is not None or parts.password is not None:
            raise InvalidPayload("url", "has a user or a password; leave them out")


def cloud_event(event: Event, source: str = "scoria") -> HTTPMessage:
    """Return an event as a CloudEvent in structured JSON.

    `id` is that of the event, `type` is its type after `scoria.`, and `subject` is its run. `data`
    leaves out fields that are empty.
    """
    data = {name: _plain(value) for name, value in attrs.asdict(event).items() if value}
    attributes: dict[str, Any] = {
        "id": event.event_id,
        "source": source,
        "specversion": "1.0",
        "type": f"scoria.{event.type}",
        "subject": event.run_id,
        "time": event.at,
        "datacontenttype": "application/json",
    }
    return to_structured(CloudEvent(attributes, data), JSONFormat())


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _signing(secret: object) -> standardwebhooks.Webhook:
    if not isinstance(secret, str):
        problem = f"is {type(secret).__name__}; pass a str of whsec_ and base64"
        raise InvalidPayload("secret", problem)
    prefix, _, key = secret.partition("_")
    try:
        whole = key.rstrip("=") + "=" * (-len(key.rstrip("=")) % 4)
        is_long = len(base64.b64decode(whole, validate=True)) >= LEAST_SECRET
    except ValueError:
        is_long = False
    if not is_long or prefix != "whsec":
        problem = f"is no secret; write whsec_ and base64 of {LEAST_SECRET} random bytes or more"
        raise InvalidPayload("secret", problem)
    return standardwebhooks.Webhook(secret)
