"""What a verification ran with, so that a report can be told from another, and repeated."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import attrs

SEED = 20260105
"""What random examples are drawn from unless another seed is asked for."""


@attrs.frozen
class Adapter:
    """What was under test: the class of the store, and what it declares; empty if not known."""

    name: str = ""
    capabilities: tuple[str, ...] = ()


@attrs.frozen
class Setting:
    """What a verification ran with; empty where it is not known."""

    adapter: Adapter = attrs.field(factory=Adapter)
    specification: str = ""
    kit: str = ""
    seed: int = SEED
    python: str = ""
    platform: str = ""
    started_at: datetime | None = None
    seconds: float = 0.0

    @classmethod
    def here(cls, specification: str, seed: int) -> "Setting":
        """Return what a verification that starts now, in this environment, runs with."""
        return cls(
            specification=specification,
            kit=_kit_version(),
            seed=seed,
            python=platform.python_version(),
            platform=platform.platform(),
            started_at=datetime.now(UTC),
        )

    def ended(self, adapter: Adapter) -> "Setting":
        """Return it with what was found under test, and how long it took until now."""
        started = self.started_at or datetime.now(UTC)
        seconds = (datetime.now(UTC) - started).total_seconds()
        return attrs.evolve(self, adapter=adapter, seconds=round(seconds, 3))


def _kit_version() -> str:
    try:
        return version("scoria-kit")
    except PackageNotFoundError:
        return "not installed"
