SELECT run_id
FROM scoria_run
WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(idempotency_key)s
