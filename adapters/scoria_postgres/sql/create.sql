WITH created AS (
    INSERT INTO scoria_run (run_id, tenant_id, session_id, idempotency_key, version, due_at)
    VALUES (%(run_id)s, %(tenant_id)s, %(session_id)s, %(idempotency_key)s, %(version)s, %(due_at)s)
    ON CONFLICT DO NOTHING
    RETURNING run_id
), recorded AS (
    INSERT INTO scoria_record (run_id, sequence, digest, body)
    SELECT created.run_id, record.sequence, record.digest, record.body
    FROM created,
        unnest(%(sequences)s::integer[], %(digests)s::text[], %(bodies)s::text[])
            AS record (sequence, digest, body)
)
SELECT run_id FROM created
