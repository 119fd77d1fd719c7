SELECT sequence, digest, body
FROM scoria_record
WHERE run_id = %(run_id)s
ORDER BY sequence
