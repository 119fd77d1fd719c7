-- Ids compare byte by byte: "C" makes a listing newest first whatever the locale of the database.

-- What a run is found by. It never changes, so its indexes are written once.
CREATE TABLE scoria_run (
    run_id          text COLLATE "C" PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL,
    session_id      text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C"
);
CREATE UNIQUE INDEX scoria_run_idempotency ON scoria_run (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX scoria_run_tenant ON scoria_run (tenant_id, run_id);
CREATE INDEX scoria_run_session ON scoria_run (session_id, run_id);
CREATE INDEX scoria_run_tenant_session ON scoria_run (tenant_id, session_id, run_id);

-- Where its journal ends and when it has work. Every append moves it, so it has few indexes, and
-- finished runs are in none but its key: the queue costs the same however many there are.
CREATE TABLE scoria_head (
    run_id    text COLLATE "C" PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL,
    version   integer NOT NULL,
    due_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX scoria_head_due ON scoria_head (due_at, run_id) WHERE due_at IS NOT NULL;
CREATE INDEX scoria_head_tenant_due ON scoria_head (tenant_id, due_at, run_id)
    WHERE due_at IS NOT NULL;

-- Its journal, a row for each append rather than for each record: rows and their index entries cost
-- most of it.
CREATE TABLE scoria_journal (
    run_id  text COLLATE "C" NOT NULL,
    version integer NOT NULL,  -- of the run with these records
    records text NOT NULL,     -- JSON: [[sequence, digest, body], ...]
    PRIMARY KEY (run_id, version)
);

-- What SQL reads: a row for each record.
CREATE VIEW scoria_record AS
SELECT
    journal.run_id,
    (record ->> 0)::integer AS sequence,
    record ->> 1 AS digest,
    record ->> 2 AS body
FROM scoria_journal AS journal, json_array_elements(journal.records::json) AS record;
