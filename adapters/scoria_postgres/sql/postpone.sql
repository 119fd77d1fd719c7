-- Changes only the due time: the lease of the run was renewed.
UPDATE scoria_head
SET due_at = %(due_at)s
WHERE run_id = %(run_id)s
  AND version = %(expected)s
  AND (%(due_by)s::timestamptz IS NULL OR due_at <= %(due_by)s)
RETURNING run_id
