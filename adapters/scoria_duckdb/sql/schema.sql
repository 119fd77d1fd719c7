-- One narrow table that is only ever appended to, a row for each append: one updated in place costs
-- several times as much per statement. The last row of a run says where it stands. What never
-- changes of it stands in its first row only: an index has no entry for NULL, so an append does not
-- touch those of sessions and keys.
BEGIN;
CREATE TABLE scoria_journal (
    run_id          VARCHAR NOT NULL,
    created_at      BIGINT NOT NULL,   -- when the run was; microseconds since 1970 in UTC, as below
    version         INTEGER NOT NULL,  -- the sequence of the last of the records
    records         VARCHAR NOT NULL,  -- JSON: [[sequence, digest, body], ...]
    status          VARCHAR,           -- or NULL, where there is a
    final_status    VARCHAR,           -- of a run that has ended, and has no due time and no labels
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
-- What SQL reads: a row for each record.
CREATE VIEW scoria_record AS
SELECT run_id, (record->>0)::INTEGER AS sequence, record->>1 AS digest, record->>2 AS body
FROM (SELECT run_id, unnest(json_transform(records, '["JSON"]')) AS record FROM scoria_journal);
CREATE TABLE scoria_listener (name VARCHAR NOT NULL);
-- What a listener has yet to be told of a run: the last row says so. None is left when it was told.
CREATE TABLE scoria_delivery (
    listener    VARCHAR NOT NULL,
    run_id      VARCHAR NOT NULL,
    delivered   INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    next_try_at BIGINT,               -- NULL where it was given up
    problem     VARCHAR
);
CREATE TABLE scoria_schema (version INTEGER NOT NULL);
INSERT INTO scoria_schema VALUES (1);
COMMIT;
