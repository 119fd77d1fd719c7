SELECT run_id
FROM scoria_journal
WHERE {fact}
  AND ($tenant_id::VARCHAR IS NULL OR tenant_id = $tenant_id)
  AND ($before::VARCHAR IS NULL OR run_id < $before)
ORDER BY run_id DESC
LIMIT $limit
