SELECT tenant_id, session_id, idempotency_key
FROM scoria_journal
WHERE run_id = $run_id
ORDER BY rowid
LIMIT 1
