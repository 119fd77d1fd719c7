SELECT run_id
FROM scoria_journal
WHERE sequence = 1
  AND ($tenant_id::VARCHAR IS NULL OR tenant_id = $tenant_id)
  AND ($session_id::VARCHAR IS NULL OR session_id = $session_id)
  AND ($before::VARCHAR IS NULL OR run_id < $before)
ORDER BY run_id DESC
LIMIT $limit
