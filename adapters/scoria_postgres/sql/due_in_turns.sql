-- From tenant to tenant along the index, so that neither finished runs nor a tenant's long queue
-- are read.
WITH RECURSIVE tenant AS (
    SELECT min(tenant_id) AS tenant_id FROM scoria_run WHERE due_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(run.tenant_id)
        FROM scoria_run AS run
        WHERE run.due_at IS NOT NULL AND run.tenant_id > tenant.tenant_id
    )
    FROM tenant
    WHERE tenant.tenant_id IS NOT NULL
)
SELECT turn.run_id
FROM tenant
CROSS JOIN LATERAL (
    SELECT run.run_id, run.due_at, row_number() OVER (ORDER BY run.due_at, run.run_id) AS number
    FROM scoria_run AS run
    WHERE run.tenant_id = tenant.tenant_id
      AND run.due_at <= %(until)s
    ORDER BY run.due_at, run.run_id
    LIMIT %(limit)s
) AS turn
WHERE %(tenant_id)s::text IS NULL OR tenant.tenant_id = %(tenant_id)s
ORDER BY turn.number, turn.due_at, turn.run_id
LIMIT %(limit)s
