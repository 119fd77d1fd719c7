SELECT tenant_id, records
FROM scoria_journal
WHERE run_id = $run_id
ORDER BY rowid
