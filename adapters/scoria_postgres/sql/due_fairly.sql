-- Steps through the index from tenant to tenant: it reads neither finished runs nor all of a long
-- queue.
WITH RECURSIVE tenant AS (
    SELECT min(tenant_id) AS tenant_id FROM scoria_head WHERE due_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(head.tenant_id)
        FROM scoria_head AS head
        WHERE head.due_at IS NOT NULL AND head.tenant_id > tenant.tenant_id
    )
    FROM tenant
    WHERE tenant.tenant_id IS NOT NULL
)
SELECT turn.run_id
FROM tenant
CROSS JOIN LATERAL (
    SELECT head.run_id, head.due_at, row_number() OVER (ORDER BY head.due_at, head.run_id) AS number
    FROM scoria_head AS head
    WHERE head.tenant_id = tenant.tenant_id
      AND head.due_at <= %(until)s
    ORDER BY head.due_at, head.run_id
    LIMIT %(limit)s
) AS turn
WHERE %(tenant_id)s::text IS NULL OR tenant.tenant_id = %(tenant_id)s
ORDER BY turn.number, turn.due_at, turn.run_id
LIMIT %(limit)s
