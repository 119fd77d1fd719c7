-- DuckDB uses an index only if its column is the only one in the condition.
WITH named AS MATERIALIZED (
    SELECT run_id, tenant_id FROM scoria_journal WHERE idempotency_key = $idempotency_key
)
SELECT run_id FROM named WHERE tenant_id = $tenant_id
