SELECT listener, run_id, delivered, version, tries, next_try_at, problem
FROM scoria_delivery
WHERE listener = %(listener)s AND (NOT %(given_up)s OR next_try_at IS NULL)
ORDER BY run_id
LIMIT %(limit)s
