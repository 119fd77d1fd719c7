INSERT INTO scoria_journal
SELECT
    unnest($run_ids::VARCHAR[]),
    unnest($sequences::INTEGER[]),
    unnest($digests::VARCHAR[]),
    unnest($bodies::VARCHAR[]),
    unnest($due_ats::BIGINT[]),
    unnest($tenant_ids::VARCHAR[]),
    unnest($session_ids::VARCHAR[]),
    unnest($idempotency_keys::VARCHAR[])
