"""The host names under which a page is served: the protection against DNS rebinding.

A browser lets a page of evil.example read what http://evil.example answers. If that name resolves
to 127.0.0.1, the request reaches this server, but its Host header still says evil.example.
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
"""A Host header in lower case: a name, an IPv4 address or an IPv6 address in brackets."""

_REFUSED = (
    "This page is not served under this name. Open it by the address that its server printed."
)


@attrs.frozen
class AllowedHosts:
    """Host names and addresses under which a page may be requested, in lower case.

    The names of this machine for itself are always allowed: localhost, *.localhost and the loopback
    addresses.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, *names: str) -> "AllowedHosts":
        """Return the allowed hosts with these names added; an IPv6 address is without brackets."""
        return cls(frozenset(name.lower() for name in names))

    def has(self, header: str) -> bool:
        """Tell whether a Host header names an allowed host, on any port."""
        found = _HOST.fullmatch(header.lower())
        if found is None:
            return False
        name = found[1].strip("[]").removesuffix(".")
        return name in self.names or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address always leads to this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def guarded(app: "WSGIApplication", allowed: AllowedHosts) -> "WSGIApplication":
    """Return `app`, restricted to requests under one of these host names."""

    def guard(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if allowed.has(environ.get("HTTP_HOST", "")):
            return app(environ, start_response)
        return Response(_REFUSED, 421)(environ, start_response)

    return guard


def host_names(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names given with --allow-host, or refuse one that no Host header could contain."""
    for name in names:
        if not AllowedHosts.of(name).has(f"[{name}]" if ":" in name else name):
            raise click.BadParameter(f"{name!r} is no name; write it without http:// and port")
    return names
