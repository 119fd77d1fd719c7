SELECT first_value(tenant_id) OVER (ORDER BY sequence), sequence, digest, body
FROM scoria_journal
WHERE run_id = $run_id
ORDER BY sequence
