-- Ids and words compare byte by byte: "C" makes a listing newest first whatever the locale of the
-- database.

-- What never changes of a run. Its indexes are written once, each in the order of a listing: of one
-- tenant, and of all.
CREATE TABLE scoria_run (
    run_id          text COLLATE "C" PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL,
    session_id      text COLLATE "C" NOT NULL,
    actor_id        text COLLATE "C" NOT NULL,
    root_role_id    text COLLATE "C" NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text COLLATE "C"
);
CREATE UNIQUE INDEX scoria_run_idempotency ON scoria_run (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX scoria_run_tenant ON scoria_run (tenant_id, run_id);
CREATE INDEX scoria_run_session ON scoria_run (session_id, run_id);
CREATE INDEX scoria_run_tenant_session ON scoria_run (tenant_id, session_id, run_id);
CREATE INDEX scoria_run_actor ON scoria_run (actor_id, run_id);
CREATE INDEX scoria_run_tenant_actor ON scoria_run (tenant_id, actor_id, run_id);
CREATE INDEX scoria_run_role ON scoria_run (root_role_id, run_id);
CREATE INDEX scoria_run_tenant_role ON scoria_run (tenant_id, root_role_id, run_id);

-- Where its journal ends, and where it stands. Every append moves it, so it has few indexes: a
-- finished run is in its key and by its status, and the queue and what waits cost the same however
-- many have finished.
CREATE TABLE scoria_head (
    run_id    text COLLATE "C" PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL,
    version   integer NOT NULL,
    status    text COLLATE "C" NOT NULL,
    since     timestamptz NOT NULL,
    due_at    timestamptz,
    labels    text[] COLLATE "C" NOT NULL DEFAULT '{}',
    has_ended boolean NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX scoria_head_status ON scoria_head (status, run_id);
CREATE INDEX scoria_head_tenant_status ON scoria_head (tenant_id, status, run_id);
CREATE INDEX scoria_head_due ON scoria_head (due_at, run_id) WHERE due_at IS NOT NULL;
CREATE INDEX scoria_head_tenant_due ON scoria_head (tenant_id, due_at, run_id)
    WHERE due_at IS NOT NULL;
CREATE INDEX scoria_head_labelled ON scoria_head (since, run_id) WHERE labels <> '{}';
CREATE INDEX scoria_head_tenant_labelled ON scoria_head (tenant_id, since, run_id)
    WHERE labels <> '{}';

-- A row for each label that a run has now. With `since` in the key, a write never removes the key
-- that it adds.
CREATE TABLE scoria_label (
    run_id    text COLLATE "C" NOT NULL,
    label     text COLLATE "C" NOT NULL,
    since     timestamptz NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, label, since)
);
CREATE INDEX scoria_label_since ON scoria_label (label, since, run_id);
CREATE INDEX scoria_label_tenant_since ON scoria_label (tenant_id, label, since, run_id);

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
