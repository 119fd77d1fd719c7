"""Every run of a store, page by page."""

from collections.abc import Iterator

from scoria_core.ports import RunStore

PAGE = 200
"""How many runs are asked for at a time."""


def run_ids(store: RunStore, tenant_id: str | None, session_id: str | None = None) -> Iterator[str]:
    """Yield the ids of the runs of a tenant and a session, newest first, including damaged ones.

    None does not filter.
    """
    before = None
    while page := store.list_runs(
        tenant_id=tenant_id, session_id=session_id, limit=PAGE, before=before
    ):
        yield from page
        before = page[-1]
