SELECT run_id
FROM scoria_head
WHERE {of_tenant}
  AND due_at <= %(until)s
ORDER BY due_at, run_id
LIMIT %(limit)s
