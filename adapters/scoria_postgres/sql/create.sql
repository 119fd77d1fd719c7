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
    INSERT INTO scoria_record (run_id, sequence, digest, body)
    SELECT created.run_id, record.sequence, record.digest, record.body
    FROM created,
        unnest(%(sequences)b::integer[], %(digests)b::text[], %(bodies)b::text[])
            AS record (sequence, digest, body)
)
SELECT run_id FROM created
