-- One narrow table that is only ever appended to, a row for each append: a wide one, or one updated
-- in place, costs several times as much per statement. What a run is listed by stands in its first
-- row only: an index has no entry for NULL, so an append does not touch those two.
BEGIN;
CREATE TABLE scoria_journal (
    run_id          VARCHAR NOT NULL,
    due_at          BIGINT,            -- microseconds since 1970 in UTC; the last row decides
    records         VARCHAR NOT NULL,  -- JSON: [[sequence, digest, body], ...]
    tenant_id       VARCHAR,
    session_id      VARCHAR,
    idempotency_key VARCHAR
);
CREATE INDEX scoria_journal_run ON scoria_journal (run_id);
CREATE INDEX scoria_journal_session ON scoria_journal (session_id);
CREATE INDEX scoria_journal_key ON scoria_journal (idempotency_key);
-- What SQL reads: a row for each record.
CREATE VIEW scoria_record AS
SELECT run_id, (record->>0)::INTEGER AS sequence, record->>1 AS digest, record->>2 AS body
FROM (SELECT run_id, unnest(json_transform(records, '["JSON"]')) AS record FROM scoria_journal);
CREATE TABLE scoria_schema (version INTEGER NOT NULL);
INSERT INTO scoria_schema VALUES (1);
COMMIT;
