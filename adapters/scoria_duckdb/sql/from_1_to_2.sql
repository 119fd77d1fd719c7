-- Schema 1 had a row for each record.
BEGIN;
ALTER TABLE scoria_journal RENAME TO scoria_journal_1;
CREATE TABLE scoria_journal (
    run_id          VARCHAR NOT NULL,
    due_at          BIGINT,
    records         VARCHAR NOT NULL,
    tenant_id       VARCHAR,
    session_id      VARCHAR,
    idempotency_key VARCHAR
);
INSERT INTO scoria_journal
SELECT
    run_id,
    arg_max_null(due_at, sequence),
    '[' || string_agg(json_array(sequence, digest, body)::VARCHAR, ',' ORDER BY sequence) || ']',
    max(tenant_id),
    max(session_id),
    max(idempotency_key)
FROM scoria_journal_1
GROUP BY run_id
ORDER BY run_id;
DROP TABLE scoria_journal_1;
CREATE INDEX scoria_journal_run ON scoria_journal (run_id);
CREATE INDEX scoria_journal_session ON scoria_journal (session_id);
CREATE INDEX scoria_journal_key ON scoria_journal (idempotency_key);
CREATE VIEW scoria_record AS
SELECT run_id, (record->>0)::INTEGER AS sequence, record->>1 AS digest, record->>2 AS body
FROM (SELECT run_id, unnest(json_transform(records, '["JSON"]')) AS record FROM scoria_journal);
UPDATE scoria_schema SET version = 2;
COMMIT;
