"""Every run of a store, page by page."""

from collections.abc import Iterator

from scoria_core.ports import RunStore, StoredRun, Where

PAGE = 200
"""How many runs are asked for at a time."""


def every_run(
    store: RunStore, tenant_id: str | None, where: Where | None = None
) -> Iterator[StoredRun]:
    """Yield the runs of a tenant of which `where` holds, newest first, without their records.

    None does not filter. Runs are among them whose records are damaged.
    """
    before = None
    while page := store.list_runs(
        tenant_id=tenant_id, where=where, limit=PAGE, before=before, with_records=False
    ):
        yield from page
        before = page[-1].key.run_id
