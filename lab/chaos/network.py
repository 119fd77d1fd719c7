"""Hosts with addresses of their own on one machine, whose links can be cut and mended."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import attrs

NUMBERS = 50 * 250
"""How many networks there can be at once, each with addresses of its own below 10.200."""

TRIES = 20
"""How many numbers are drawn until one is nobody's."""


class _Taken(RuntimeError):
    """A name that is there already."""


@attrs.frozen
class Network:
    """A bridge with an address of its own, and one namespace for each name linked to it."""

    names: tuple[str, ...]
    number: int

    @property
    def tag(self) -> str:
        """Return what the names of its parts begin with."""
        return f"sc{self.number}"

    @property
    def address(self) -> str:
        """Return where this side is reached from every namespace."""
        return self._address(1)

    def address_of(self, name: str) -> str:
        """Return the address of a namespace."""
        return self._address(self.names.index(name) + 2)

    def inside(self, name: str, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` in a namespace."""
        return ["ip", "netns", "exec", self._space(name), *command]

    def cut(self, name: str) -> None:
        """Let nothing in or out of a namespace; neither side is told."""
        _ip("link", "set", self._port(name), "down")

    def mend(self, name: str) -> None:
        """Undo `cut`."""
        _ip("link", "set", self._port(name), "up")

    def _make(self, name: str) -> None:
        space, port = self._space(name), self._port(name)
        _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", port, "master", self.tag, "up")
        inside = ("-netns", space)
        _ip(*inside, "address", "add", f"{self.address_of(name)}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "link", "set", "lo", "up")

    def _space(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def _port(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def _address(self, last: int) -> str:
        return f"10.{200 + self.number // 250}.{self.number % 250}.{last}"


@contextmanager
def network(*names: str) -> Iterator[Network]:
    """Yield a network with these hosts; it is gone when left."""
    made = _with_a_bridge(names)
    with ExitStack() as undo:
        undo.callback(_ip, "link", "delete", made.tag)
        _ip("address", "add", f"{made.address}/24", "dev", made.tag)
        _ip("link", "set", made.tag, "up")
        for name in names:
            _ip("netns", "add", made._space(name))
            undo.callback(_ip, "netns", "delete", made._space(name))
            made._make(name)
        yield made


def _with_a_bridge(names: tuple[str, ...]) -> Network:
    """Make the bridge of a network; its number belongs to whoever has made the bridge.

    A number may be in use by another process, or its bridge still be taken down.
    """
    for _ in range(TRIES):
        made = Network(names, secrets.randbelow(NUMBERS))
        with suppress(_Taken):
            _ip("link", "add", made.tag, "type", "bridge")
            return made
    raise RuntimeError(f"of {TRIES} numbers drawn for a network each is taken")


def why_not() -> str | None:
    """Return why this machine cannot make networks, or None where it can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if shutil.which("ip") is None:
        return "the program ip is not there: apt-get install iproute2"
    try:
        with network("probe"):
            return None
    except RuntimeError as error:
        return f"the kernel makes no network here: {error}"


def _ip(*words: str) -> None:
    ended = subprocess.run(["ip", *words], capture_output=True, check=False, text=True)  # noqa: S603, S607 - where iproute2 is differs
    if ended.returncode:
        kind = _Taken if "File exists" in ended.stderr else RuntimeError
        raise kind(f"ip {' '.join(words)}: {ended.stderr.strip()}")
