"""The order in which tenants take turns, for stores that sort in memory."""

from collections import Counter
from collections.abc import Callable, Iterable


def fair_order(run_ids: Iterable[str], tenant_of: Callable[[str], str]) -> list[str]:
    """Return the first run of each tenant, then the second of each, and so on (STORE-22).

    Within a turn, and for each tenant, the order of `run_ids` stays.
    """
    counts: Counter[str] = Counter()
    turns: dict[str, int] = {}
    for run_id in run_ids:
        tenant_id = tenant_of(run_id)
        turns[run_id] = counts[tenant_id]
        counts[tenant_id] += 1
    return sorted(turns, key=turns.__getitem__)
