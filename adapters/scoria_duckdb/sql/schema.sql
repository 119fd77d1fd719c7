-- One narrow table to which rows are only appended, one for each append: an update in place costs
-- several times as much per statement. The last row of a run has its index row. The facts that
-- never change are in its first row only: an index has no entry for NULL, so an append does not
-- touch the indexes on sessions and keys.
BEGIN;
CREATE TABLE scoria_journal (
    run_id          VARCHAR NOT NULL,
    created_at      BIGINT NOT NULL,   -- of the run; microseconds since 1970 in UTC, as all times here
    version         INTEGER NOT NULL,  -- the sequence of the last of the records
    records         VARCHAR NOT NULL,  -- JSON: [[sequence, digest, body], ...]
    status          VARCHAR,           -- NULL in a row with a final_status
    final_status    VARCHAR,           -- if the run has ended, and has neither a due time nor labels
    has_ended       BOOLEAN NOT NULL,
    since           BIGINT NOT NULL,
    due_at          BIGINT,
    labels          VARCHAR,           -- JSON: [label, ...]; NULL for none
    tenant_id       VARCHAR,           -- also in the row with the final status
    session_id      VARCHAR,
    actor_id        VARCHAR,
    root_role_id    VARCHAR,
    idempotency_key VARCHAR
);
CREATE INDEX scoria_journal_run ON scoria_journal (run_id);
CREATE INDEX scoria_journal_session ON scoria_journal (session_id);
CREATE INDEX scoria_journal_key ON scoria_journal (idempotency_key);
-- For queries in SQL: a row for each record.
CREATE VIEW scoria_record AS
SELECT run_id, (record->>0)::INTEGER AS sequence, record->>1 AS digest, record->>2 AS body
FROM (SELECT run_id, unnest(json_transform(records, '["JSON"]')) AS record FROM scoria_journal);
CREATE TABLE scoria_listener (name VARCHAR NOT NULL);
-- What a listener has yet to receive of a run: the last row counts. When all is received, no row is
-- left.
CREATE TABLE scoria_delivery (
    listener    VARCHAR NOT NULL,
    run_id      VARCHAR NOT NULL,
    delivered   INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    next_try_at BIGINT,               -- NULL if it was given up
    problem     VARCHAR
);
CREATE TABLE scoria_schema (version INTEGER NOT NULL);
INSERT INTO scoria_schema VALUES (1);
COMMIT;
