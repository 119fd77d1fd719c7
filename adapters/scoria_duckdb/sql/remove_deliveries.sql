DELETE FROM scoria_delivery
WHERE (listener, run_id) IN (
    SELECT (listener, run_id)
    FROM (SELECT unnest($listeners::VARCHAR[]) AS listener, unnest($run_ids::VARCHAR[]) AS run_id)
)
