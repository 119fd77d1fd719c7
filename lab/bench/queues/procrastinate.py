"""Jobs of procrastinate, deferred one by one."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector


def prepare(url: str) -> None:
    """Make the tables."""
    with App(connector=SyncPsycopgConnector(conninfo=url)).open() as app:
        app.schema_manager.apply_schema()


@contextmanager
def filling(url: str) -> Iterator[Callable[[int], None]]:
    """Yield what defers a job."""
    with App(connector=SyncPsycopgConnector(conninfo=url)).open() as app:
        yield lambda number: app.configure_task("told").defer(number=number)


def work(url: str, tell: Callable[[int], None]) -> None:
    """Work as `procrastinate worker` does: one job at a time, woken by LISTEN."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="told")
    async def told(number: int) -> None:
        tell(number)

    async def main() -> None:
        async with app.open_async():
            await app.run_worker_async()

    asyncio.run(main())
