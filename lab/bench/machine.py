"""What the figures were measured on: versions, processor, memory and disk."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

from lab.bench.catalogue import BY_NAME

BLOCK = b"\0" * 4_096
SYNCS = 200


def machine(names: Sequence[str], directory: Path, server: str) -> dict[str, str]:
    """Return what is to be known of this machine, and of what the candidates are made of."""
    used = sorted({each for name in names for each in BY_NAME[name].distributions})
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "memory": f"{_memory():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "one write of 4 KiB made durable": f"{_sync_milliseconds(directory):.2f} ms (median)",
        "python": platform.python_version(),
        "scoria-kit": version("scoria-kit"),
        "SQLite": sqlite3.sqlite_version,
        **({"PostgreSQL": _server_version(server)} if server else {}),
        **{distribution: version(distribution) for distribution in used},
    }


def processor() -> str:
    """Return the name of the processor."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _sync_milliseconds(directory: Path) -> float:
    with (directory / "sync").open("wb") as file:
        return 1_000 * median(_sync_seconds(file.fileno()) for _ in range(SYNCS))


def _sync_seconds(file: int) -> float:
    start = perf_counter()
    os.write(file, BLOCK)
    os.fsync(file)
    return perf_counter() - start


def _server_version(url: str) -> str:
    told: str = import_module("lab.bench.server").version(url)
    return told
