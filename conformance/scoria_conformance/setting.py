"""The setting of a verification, which identifies its report, and lets it be repeated."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import attrs

SEED = 20260105
"""The seed of the random examples, unless another one is given."""


@attrs.frozen
class Adapter:
    """The store under test: its class, and the capabilities it declares; empty if not known."""

    name: str = ""
    capabilities: tuple[str, ...] = ()


@attrs.frozen
class Setting:
    """The setting of a verification; a field is empty if its value is not known."""

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
        """Return the setting of a verification that starts now, in this environment."""
        return cls(
            specification=specification,
            kit=_kit_version(),
            seed=seed,
            python=platform.python_version(),
            platform=platform.platform(),
            started_at=datetime.now(UTC),
        )

    def ended(self, adapter: Adapter) -> "Setting":
        """Return a copy with what was found under test, and with the duration until now."""
        started = self.started_at or datetime.now(UTC)
        seconds = (datetime.now(UTC) - started).total_seconds()
        return attrs.evolve(self, adapter=adapter, seconds=round(seconds, 3))


def _kit_version() -> str:
    try:
        return version("scoria-kit")
    except PackageNotFoundError:
        return "not installed"
