"""The target of a verification: a store, by URL or `module:factory`, or a host.

A host is an http(s) URL, or, together with a driver, the `module:name` of a WSGI app.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from scoria_conformance.catalogue import SERVED
from scoria_conformance.host import Host
from scoria_conformance.serving import served
from scoria_conformance.setting import Adapter
from scoria_conformance.world import StoreFactory
from scoria_core.errors import StoreUnavailable, safe_repr
from scoria_core.importing import named
from scoria_core.ports import RunStore
from scoria_core.stores import checked_url, known_schemes, open_store, scratch_url, store_name

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

_NEXT_MOVE = "name it as module:name, importable from here"


@attrs.frozen
class ScratchStore:
    """Opens an empty store of the kind that a URL names, in a directory."""

    url: str

    def __call__(self, directory: Path) -> RunStore:
        """Open it."""
        return open_store(scratch_url(self.url, directory))


@attrs.frozen
class Target:
    """The text that names the target under test, and the driver if it is a host."""

    text: str
    driver: str | None = None

    @property
    def name(self) -> str:
        """The name of the target in a report: the `module:name`, or the URL without its secrets."""
        is_module = (
            _NAMED.fullmatch(self.text) and self.text.partition(":")[0] not in known_schemes()
        )
        return self.text if is_module else store_name(self.text)

    @property
    def is_host(self) -> bool:
        """Tell whether the target is a host, not a store."""
        return self._is_running_host or (bool(self.text) and self._is_app)

    def declared(self, adapter: Adapter) -> frozenset[str]:
        """Return the needs of scenarios that the target meets; `adapter` is the opened store."""
        return frozenset([SERVED] if self.is_host else adapter.capabilities)

    def read(self) -> None:
        """Raise `StoreUnavailable` if the text can be neither a URL nor `module:name`.

        This imports nothing of the target.
        """
        if "://" in self.text:
            checked_url(self.text)
        elif not _NAMED.fullmatch(self.text):
            raise StoreUnavailable(self.name, "is neither a URL nor module:name", _NEXT_MOVE)

    def check(self) -> None:
        """Raise `StoreUnavailable` if the store does not open, or the host does not answer."""
        if self._is_running_host:
            self._check_host()
        # An app is not imported here: that may open the file that the suite is going to open.
        elif not self._is_app:
            self._check_store()

    @property
    def _is_running_host(self) -> bool:
        return self.text.startswith(("http://", "https://"))

    @property
    def _is_app(self) -> bool:
        return self.driver is not None and "://" not in self.text

    def _check_host(self) -> None:
        try:
            httpx.get(checked_url(self.text))
        except httpx.HTTPError as error:
            problem = f"does not answer: {safe_repr(error, 200)}"
            raise StoreUnavailable(self.name, problem, "start the host first") from error

    def _check_store(self) -> None:
        factory = self.store_factory()
        with tempfile.TemporaryDirectory(prefix="scoria-check-") as directory:
            try:
                factory(Path(directory)).close()
            except (StoreUnavailable, KeyboardInterrupt):
                raise
            except BaseException as error:  # a factory may exit, or raise a skip
                problem = f"could not be opened in an empty directory: {safe_repr(error, 200)}"
                next_move = "give a factory that takes a pathlib.Path and returns a RunStore"
                raise StoreUnavailable(self.name, problem, next_move) from error

    def named(self) -> Any:
        """Return the object that `module:name` names, or raise `StoreUnavailable`."""
        if not _NAMED.fullmatch(self.text):
            raise StoreUnavailable(self.name, "is neither a URL nor module:name", _NEXT_MOVE)
        try:
            return named(self.text)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may exit, or raise a skip
            problem = f"cannot be imported: {safe_repr(error, 200)}"
            raise StoreUnavailable(self.name, problem, _NEXT_MOVE) from error

    @contextmanager
    def served(self) -> Iterator[str]:
        """Give the base URL of the host; an app is served until the context ends."""
        if self._is_running_host:
            yield self.text
            return
        with served(self.named()) as base_url:
            yield base_url

    def connect(self, base_url: str) -> Host:
        """Return the host at `base_url`, as its driver drives it."""
        host: Host = Target(str(self.driver)).named()(base_url)
        return host

    def store_factory(self) -> StoreFactory:
        """Return a factory that opens the store under test in a directory.

        A store that a URL names is not touched: an empty store of the same kind takes its place.
        """
        if "://" not in self.text:
            factory: StoreFactory = self.named()
            return factory
        return ScratchStore(self.text)
