-- One statement reads one snapshot: two statements could miss a run that takes the key in between.
SELECT run_id, true AS has_key
FROM scoria_run
WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(idempotency_key)s
UNION ALL
SELECT run_id, false
FROM scoria_run
WHERE run_id = %(run_id)s
ORDER BY has_key DESC
