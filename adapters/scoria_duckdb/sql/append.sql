INSERT INTO scoria_journal
SELECT
    unnest($run_ids::VARCHAR[]),
    unnest($due_ats::BIGINT[]),
    unnest($records::VARCHAR[]),
    unnest($tenant_ids::VARCHAR[]),
    unnest($session_ids::VARCHAR[]),
    unnest($idempotency_keys::VARCHAR[])
