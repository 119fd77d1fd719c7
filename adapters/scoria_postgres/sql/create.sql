WITH created AS (
    INSERT INTO scoria_run (run_id, tenant_id, session_id, idempotency_key)
    VALUES (%(run_id)s, %(tenant_id)s, %(session_id)s, %(idempotency_key)s)
    ON CONFLICT DO NOTHING
    RETURNING run_id, tenant_id
), begun AS (
    INSERT INTO scoria_head (run_id, tenant_id, version, due_at)
    SELECT run_id, tenant_id, %(version)s, %(due_at)s::timestamptz
    FROM created
), recorded AS (
    INSERT INTO scoria_journal (run_id, version, records)
    SELECT run_id, %(version)s, %(records)s
    FROM created
)
SELECT run_id FROM created
