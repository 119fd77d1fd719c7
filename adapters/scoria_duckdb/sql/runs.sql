SELECT run_id
FROM scoria_journal
WHERE tenant_id IS NOT NULL
  AND ($tenant_id::VARCHAR IS NULL OR tenant_id = $tenant_id)
  AND ($before::VARCHAR IS NULL OR run_id < $before)
ORDER BY run_id DESC
LIMIT $limit
