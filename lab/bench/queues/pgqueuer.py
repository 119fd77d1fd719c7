"""Jobs of pgqueuer, enqueued one by one."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import psycopg
from pgqueuer import AsyncpgDriver, PgQueuer
from pgqueuer.db import SyncPsycopgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries, SyncQueries


def prepare(url: str) -> None:
    """Make the tables."""

    async def main() -> None:
        connection = await asyncpg.connect(url)
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()

    asyncio.run(main())


@contextmanager
def filling(url: str) -> Iterator[Callable[[int], None]]:
    """Yield what enqueues a job."""
    with psycopg.connect(url, autocommit=True) as connection:
        queries = SyncQueries(SyncPsycopgDriver(connection))
        yield lambda number: queries.enqueue("told", str(number).encode())


def work(url: str, tell: Callable[[int], None]) -> None:
    """Work as `pgq run` does: batches of ten, woken by LISTEN."""

    async def main() -> None:
        connection = await asyncpg.connect(url)
        queuer = PgQueuer(AsyncpgDriver(connection))

        @queuer.entrypoint("told")
        async def told(job: Job) -> None:
            tell(int(job.payload or b""))

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, queuer.shutdown.set)
        await queuer.run()

    asyncio.run(main())
