"""How long a loop keeps others waiting: `python -m lab.bench.ping URL…` prints what it measured.

A ping is a coroutine that asks to be woken after 5 ms, and measures how much later it was. Pings
are taken while nothing happens, and while 200 callers start a run again and again, each with a step
whose async handler takes two seconds. With `--burst` all 200 do so in the same moment.
"""

import asyncio
from collections.abc import Sequence
from statistics import median, quantiles
from time import perf_counter

import attrs
import click

from scoria_core import AsyncScoria, RunSummary, Step, StepSpec

EVERY = 0.005
"""How many seconds a ping sleeps."""

AT_ONCE = 200
WORKING = 2.0
"""How many seconds a handler takes."""


@attrs.frozen
class Pings:
    """How many milliseconds late the pings were."""

    late: Sequence[float]

    def __str__(self) -> str:
        """Say the median, the 99th percentile and the worst."""
        p99 = quantiles(self.late, n=100)[98]
        return f"p50 {median(self.late):6.2f} ms, p99 {p99:6.2f} ms, worst {max(self.late):6.2f} ms"


async def _pinged(until: "asyncio.Future[None]") -> Pings:
    late: list[float] = []
    while not until.done():
        asked = perf_counter()
        await asyncio.sleep(EVERY)
        late.append((perf_counter() - asked - EVERY) * 1_000)
    return Pings(late)


async def _works(_: Step, __: RunSummary) -> None:
    await asyncio.sleep(WORKING)


async def _load(scoria: AsyncScoria, seconds: float, *, in_a_burst: bool) -> int:
    """Keep 200 runs going, and return how many were completed."""
    identity = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="chat-7")
    ends, done = perf_counter() + seconds, 0

    async def one_after_the_other(number: int) -> None:
        nonlocal done
        await asyncio.sleep(0 if in_a_burst else number * WORKING / AT_ONCE)
        while perf_counter() < ends:
            run = await scoria.start_run(
                identity, root_role_id="executor", initial_step=StepSpec("work", "executor")
            )
            assert run.status == "completed", run
            done += 1

    await asyncio.gather(*map(one_after_the_other, range(AT_ONCE)))
    return done


async def _measured(url: str, seconds: float, *, in_a_burst: bool) -> None:
    async with await AsyncScoria.open(url, handlers={"work": _works}) as scoria:
        idle = await _pinged(asyncio.ensure_future(asyncio.sleep(seconds)))
        load = asyncio.ensure_future(_load(scoria, seconds, in_a_burst=in_a_burst))
        loaded = await _pinged(load)  # type: ignore[arg-type]  # what it returns is not looked at
        click.echo(f"{url}\n  idle    {idle}\n  loaded  {loaded}")
        click.echo(f"  {load.result()} steps in {seconds:g} s, {AT_ONCE} at once")


@click.command()
@click.argument("urls", nargs=-1, required=True)
@click.option("--seconds", default=10.0, show_default=True, help="How long each is measured.")
@click.option("--burst", "in_a_burst", is_flag=True, help="All callers begin together.")
def ping(urls: Sequence[str], seconds: float, *, in_a_burst: bool) -> None:
    """Measure how late pings are, idle and under load, on the stores at URLS."""
    for url in urls:
        asyncio.run(_measured(url, seconds, in_a_burst=in_a_burst))


if __name__ == "__main__":
    ping()
