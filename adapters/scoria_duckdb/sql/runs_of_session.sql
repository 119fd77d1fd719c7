-- An index is used where its column is compared alone.
WITH listed AS MATERIALIZED (
    SELECT run_id, tenant_id FROM scoria_journal WHERE session_id = $session_id
)
SELECT run_id
FROM listed
WHERE ($tenant_id::VARCHAR IS NULL OR tenant_id = $tenant_id)
  AND ($before::VARCHAR IS NULL OR run_id < $before)
ORDER BY run_id DESC
LIMIT $limit
