"""Under which names a page is served: a site whose name leads to this machine reads none of it.

A browser lets a page of evil.example read what http://evil.example answers. When that name is made
to lead to 127.0.0.1 (DNS rebinding), the Host header still says evil.example.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING

import attrs
import click
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]*)?", re.ASCII)
"""A Host header in small letters: a name, an IPv4 address or an IPv6 address in brackets."""

_REFUSED = (
    "This page is not served under this name. Open it by the address that its server printed."
)


@attrs.frozen
class AllowedHosts:
    """Host names and addresses under which a page may be asked for, in small letters.

    Those of this machine for itself are always among them: localhost, *.localhost and the loopback
    addresses.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, *names: str) -> "AllowedHosts":
        """Allow these too; an IPv6 address stands without brackets."""
        return cls(frozenset(name.lower() for name in names))

    def has(self, header: str) -> bool:
        """Tell whether a Host header names one of them, whatever its port."""
        found = _HOST.fullmatch(header.lower())
        if found is None:
            return False
        name = found[1].strip("[]").removesuffix(".")
        return name in self.names or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address leads to this machine wherever it is used."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def guarded(app: "WSGIApplication", allowed: AllowedHosts) -> "WSGIApplication":
    """Return `app`, as it answers to those who ask for it under one of these names."""

    def guard(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if allowed.has(environ.get("HTTP_HOST", "")):
            return app(environ, start_response)
        return Response(_REFUSED, 421)(environ, start_response)

    return guard


def host_names(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that --allow-host gives, or refuse one that no Host header could say."""
    for name in names:
        if not AllowedHosts.of(name).has(f"[{name}]" if ":" in name else name):
            raise click.BadParameter(f"{name!r} is no name; write it without http:// and port")
    return names
