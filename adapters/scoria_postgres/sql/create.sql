WITH created AS (
    INSERT INTO scoria_run (
        run_id, tenant_id, session_id, actor_id, root_role_id, created_at, idempotency_key
    )
    VALUES (
        %(run_id)s, %(tenant_id)s, %(session_id)s, %(actor_id)s, %(root_role_id)s, %(created_at)s,
        %(idempotency_key)s
    )
    ON CONFLICT DO NOTHING
    RETURNING run_id, tenant_id
), begun AS (
    INSERT INTO scoria_head (run_id, tenant_id, version, status, since, due_at, labels, has_ended)
    SELECT
        run_id, tenant_id, %(version)s, %(status)s, %(since)s::timestamptz,
        %(due_at)s::timestamptz, %(labels)s::text[], %(has_ended)s
    FROM created
), labelled AS (
    INSERT INTO scoria_label (run_id, label, since, tenant_id)
    SELECT run_id, label, %(since)s::timestamptz, tenant_id
    FROM created, unnest(%(labels)s::text[]) AS label
), recorded AS (
    INSERT INTO scoria_journal (run_id, version, records)
    SELECT run_id, %(version)s, %(records)s
    FROM created
), untold AS (
    INSERT INTO scoria_delivery (listener, run_id, delivered, version, next_try_at)
    SELECT listener.name, run_id, 0, %(version)s, %(since)s::timestamptz
    FROM created, scoria_listener AS listener
)
SELECT run_id{wakes} FROM created
