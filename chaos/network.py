"""Hosts with addresses of their own on one machine, whose links can be cut and mended."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import attrs


@attrs.frozen
class Network:
    """A bridge with an address of its own, and one namespace for each name linked to it."""

    names: tuple[str, ...]
    tag: str = attrs.field(factory=lambda: f"sc{os.getpid()}")

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

    def _make_bridge(self) -> None:
        _ip("link", "add", self.tag, "type", "bridge")
        _ip("address", "add", f"{self.address}/24", "dev", self.tag)
        _ip("link", "set", self.tag, "up")

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
        number = os.getpid()
        return f"10.{200 + number // 250 % 50}.{number % 250}.{last}"


@contextmanager
def network(*names: str) -> Iterator[Network]:
    """Yield a network with these hosts; it is gone when left."""
    made = Network(names)
    with ExitStack() as undo:
        made._make_bridge()
        undo.callback(_ip, "link", "delete", made.tag)
        for name in names:
            _ip("netns", "add", made._space(name))
            undo.callback(_ip, "netns", "delete", made._space(name))
            made._make(name)
        yield made


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
        raise RuntimeError(f"ip {' '.join(words)}: {ended.stderr.strip()}")
