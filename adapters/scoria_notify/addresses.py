"""Connects to public addresses only, so that a URL cannot lead into an internal network."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import attrs
import httpcore

_TRANSLATED = (
    *(IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")),  # NAT64
    *(IPv6Network("::/96"), IPv4Network("192.88.99.0/24")),  # IPv4-compatible; relays of 6to4
)
"""Networks of which a gateway may translate an address, maybe to an internal one."""


class AddressRefused(Exception):
    """A host has an address that is not public."""


def is_public(address: str) -> bool:
    """Tell whether an IP address can be reached from anywhere on the internet."""
    # A zone, as in fe80::1%eth0, is accepted here: the address without it decides.
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found.sixtofour or found.teredo or found.is_site_local:
            return False
    is_translated = any(found in each for each in _TRANSLATED)
    return found.is_global and not found.is_multicast and not is_translated


@attrs.frozen
class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, and connects to one of its addresses if all of them are public.

    The name is not resolved again to connect: by then it could have another address.
    """

    allow_inner: bool = False
    network: httpcore.AsyncNetworkBackend = attrs.field(factory=httpcore.AnyIOBackend)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises `AddressRefused`."""
        addresses = await self._addresses(host, port)
        for address in addresses[:-1]:
            try:
                return await self.network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self.network.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self.network.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        if not self.allow_inner and not all(map(is_public, addresses)):
            raise AddressRefused(f"{host} is inside, and only public addresses are allowed")
        return addresses
