-- Compares numbers first, as they cost far less than ids: it keeps the moments at which more runs
-- were created than are at rest now.
WITH moment AS MATERIALIZED (
    SELECT created_at
    FROM scoria_journal
    WHERE session_id IS NOT NULL OR final_status IS NOT NULL
    GROUP BY created_at
    HAVING count(session_id) <> count(final_status)
)
SELECT
    run_id,
    arg_max(row(version, status, final_status, has_ended, since, due_at, labels), rowid),
    any_value(created_at), any_value(tenant_id), any_value(session_id), any_value(actor_id),
    any_value(root_role_id), any_value(idempotency_key)
FROM scoria_journal
WHERE created_at IN (FROM moment)
GROUP BY run_id
HAVING count(final_status) = 0
ORDER BY run_id
