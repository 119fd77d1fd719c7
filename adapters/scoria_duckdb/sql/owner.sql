SELECT run_id
FROM scoria_journal
WHERE tenant_id = $tenant_id AND idempotency_key = $idempotency_key
