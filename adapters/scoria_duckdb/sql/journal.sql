SELECT
    run_id, records,
    version, status, final_status, has_ended, since, due_at, labels,
    created_at, tenant_id, session_id, actor_id, root_role_id, idempotency_key
FROM scoria_journal
WHERE run_id IN (SELECT unnest($run_ids::VARCHAR[]))
ORDER BY rowid
