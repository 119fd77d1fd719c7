-- One statement is one transaction and one round trip: the run moves on and its records are
-- there, or neither.
WITH moved AS (
    UPDATE scoria_head
    SET version = %(version)s, due_at = %(due_at)s
    WHERE run_id = %(run_id)s
      AND version = %(expected)s
      AND (%(due_by)s::timestamptz IS NULL OR due_at <= %(due_by)s)
    RETURNING run_id
), recorded AS (
    INSERT INTO scoria_record (run_id, sequence, digest, body)
    SELECT moved.run_id, record.sequence, record.digest, record.body
    FROM moved,
        unnest(%(sequences)b::integer[], %(digests)b::text[], %(bodies)b::text[])
            AS record (sequence, digest, body)
)
SELECT run_id FROM moved
