SELECT run_id, max(tenant_id), arg_max_null(due_at, rowid) AS due
FROM scoria_journal
GROUP BY run_id
HAVING due IS NOT NULL
