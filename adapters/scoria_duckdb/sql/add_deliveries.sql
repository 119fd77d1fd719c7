INSERT INTO scoria_delivery
SELECT
    unnest($listeners::VARCHAR[]),
    unnest($run_ids::VARCHAR[]),
    unnest($delivered::INTEGER[]),
    unnest($versions::INTEGER[]),
    unnest($tries::INTEGER[]),
    unnest($next_tries_at::BIGINT[]),
    unnest($problems::VARCHAR[])
