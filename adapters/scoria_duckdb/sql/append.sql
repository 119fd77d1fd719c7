INSERT INTO scoria_journal
SELECT
    $run_id,
    unnest($sequences::INTEGER[]),
    unnest($digests::VARCHAR[]),
    unnest($bodies::VARCHAR[]),
    $due_at,
    unnest($tenant_ids::VARCHAR[]),
    unnest($session_ids::VARCHAR[]),
    unnest($idempotency_keys::VARCHAR[])
