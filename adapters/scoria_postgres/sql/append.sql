-- One statement is one transaction and one round trip: the run moves on and its records are
-- there, or neither.
WITH moved AS (
    UPDATE scoria_head
    SET version = %(version)s, due_at = %(due_at)s
    WHERE run_id = %(run_id)s
      AND version = %(expected)s
      AND (%(due_by)s::timestamptz IS NULL OR due_at <= %(due_by)s)
    RETURNING run_id, version
), recorded AS (
    INSERT INTO scoria_journal (run_id, version, records)
    SELECT run_id, version, %(records)s FROM moved
)
SELECT run_id FROM moved
