SELECT
    listener, run_id, arg_max(row(delivered, version, tries, next_try_at, problem), rowid)
FROM scoria_delivery
GROUP BY listener, run_id
