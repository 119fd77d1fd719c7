SELECT records
FROM scoria_journal
WHERE run_id = %(run_id)s
ORDER BY version
