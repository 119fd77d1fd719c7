"""What a verification is pointed at: a store URL, a `module:factory`, or the URL of a host."""

import pkgutil
import tempfile
from pathlib import Path
from typing import Any

import attrs
import httpx

from scoria_conformance.world import StoreFactory
from scoria_core.errors import ScoriaError, StoreUnavailable, shown
from scoria_core.ports import RunStore
from scoria_core.stores import open_store


@attrs.frozen
class Target:
    """The words that name what is under test."""

    text: str

    @property
    def is_host(self) -> bool:
        """Tell whether a running host is named."""
        return self.text.startswith(("http://", "https://"))

    def check(self) -> None:
        """Raise `StoreUnavailable` where the store does not open, or the host does not answer."""
        if self.is_host:
            self._check_host()
        else:
            self._check_store()

    def _check_host(self) -> None:
        try:
            httpx.get(self.text)
        except httpx.HTTPError as error:
            problem = f"does not answer: {shown(error, 200)}"
            raise StoreUnavailable(shown(self.text), problem, "start the host first") from error

    def _check_store(self) -> None:
        factory = self.store_factory()
        with tempfile.TemporaryDirectory(prefix="scoria-check-") as directory:
            try:
                factory(Path(directory)).close()
            except ScoriaError:
                raise
            except Exception as error:
                problem = f"could not be opened in an empty directory: {shown(error, 200)}"
                next_move = "give a factory that takes a pathlib.Path and returns a RunStore"
                raise StoreUnavailable(shown(self.text), problem, next_move) from error

    def named(self) -> Any:
        """Return what `module:name` names; `StoreUnavailable` where it cannot be imported."""
        try:
            return pkgutil.resolve_name(self.text)
        except Exception as error:
            problem = f"cannot be imported: {shown(error, 200)}"
            next_move = "name it as module:name, importable from here"
            raise StoreUnavailable(shown(self.text), problem, next_move) from error

    def store_factory(self) -> StoreFactory:
        """Return what opens the store under test in a directory.

        The file that a URL names is not touched: one of its name in the directory stands in.
        """
        if "://" not in self.text:
            factory: StoreFactory = self.named()
            return factory
        scheme, _, path = self.text.partition(":///")
        if not path:
            return lambda _: open_store(self.text)

        def open_in(directory: Path) -> RunStore:
            return open_store(f"{scheme}:///{directory / Path(path).name}")

        return open_in
