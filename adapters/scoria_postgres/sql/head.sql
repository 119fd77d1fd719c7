SELECT run_id, run.tenant_id, run.session_id, run.idempotency_key, head.version, head.due_at
FROM scoria_run AS run
JOIN scoria_head AS head USING (run_id)
WHERE run_id = %(run_id)s
