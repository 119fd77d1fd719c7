-- One statement is one transaction and one round trip: it stores the head, the records and the
-- labels, or nothing. If the head has the expected version, the labels are those of that version,
-- even if the update had to wait: only an append changes them.
WITH moved AS (
    UPDATE scoria_head
    SET version = %(version)s, status = %(status)s, since = %(since)s, due_at = %(due_at)s,
        labels = %(labels)s::text[], has_ended = %(has_ended)s
    WHERE run_id = %(run_id)s
      AND version = %(expected)s
      AND (%(due_by)s::timestamptz IS NULL OR due_at <= %(due_by)s)
    RETURNING run_id, tenant_id, version, since, labels
), recorded AS (
    INSERT INTO scoria_journal (run_id, version, records)
    SELECT run_id, version, %(records)s FROM moved
), unlabelled AS (
    DELETE FROM scoria_label AS had
    USING moved
    WHERE had.run_id = moved.run_id
      AND (had.since <> moved.since OR had.label <> ALL (moved.labels))
), labelled AS (
    INSERT INTO scoria_label (run_id, label, since, tenant_id)
    SELECT run_id, label, since, tenant_id FROM moved, unnest(labels) AS label
    ON CONFLICT DO NOTHING
), untold AS (
    -- This locks the delivery: a concurrent settle waits for it, and then sees its new version.
    INSERT INTO scoria_delivery (listener, run_id, delivered, version, next_try_at)
    SELECT listener.name, run_id, %(expected)s, version, since
    FROM moved, scoria_listener AS listener
    ORDER BY listener.name
    ON CONFLICT (listener, run_id) DO UPDATE SET version = excluded.version
)
SELECT run_id{wakes} FROM moved
