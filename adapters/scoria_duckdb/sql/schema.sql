-- One narrow table that is only ever appended to: a wide one, or one updated in place, costs
-- several times as much per statement. What a run is found by stands in its first row only.
BEGIN;
CREATE TABLE scoria_journal (
    run_id          VARCHAR NOT NULL,
    sequence        INTEGER NOT NULL,
    digest          VARCHAR NOT NULL,
    body            VARCHAR NOT NULL,
    due_at          BIGINT,    -- microseconds since 1970 in UTC; the last row of a run decides
    tenant_id       VARCHAR,
    session_id      VARCHAR,
    idempotency_key VARCHAR
);
CREATE TABLE scoria_schema (version INTEGER NOT NULL);
INSERT INTO scoria_schema VALUES (1);
COMMIT;
