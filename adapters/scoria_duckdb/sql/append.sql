INSERT INTO scoria_journal
SELECT
    unnest($run_ids::VARCHAR[]),
    unnest($created_ats::BIGINT[]),
    unnest($versions::INTEGER[]),
    unnest($records::VARCHAR[]),
    unnest($statuses::VARCHAR[]),
    unnest($final_statuses::VARCHAR[]),
    unnest($have_ended::BOOLEAN[]),
    unnest($sinces::BIGINT[]),
    unnest($due_ats::BIGINT[]),
    unnest($labels::VARCHAR[]),
    unnest($tenant_ids::VARCHAR[]),
    unnest($session_ids::VARCHAR[]),
    unnest($actor_ids::VARCHAR[]),
    unnest($root_role_ids::VARCHAR[]),
    unnest($idempotency_keys::VARCHAR[])
