-- A run as it is found, and its journal as it was written. Ids compare byte by byte: "C" makes a
-- listing newest first whatever the locale of the database.
CREATE TABLE scoria_run (
    run_id          text COLLATE "C" PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL,
    session_id      text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C",
    version         integer NOT NULL,
    due_at          timestamptz
);

CREATE TABLE scoria_record (
    run_id   text COLLATE "C" NOT NULL,
    sequence integer NOT NULL,
    digest   text NOT NULL,
    body     text NOT NULL,
    PRIMARY KEY (run_id, sequence)
);

CREATE UNIQUE INDEX scoria_run_idempotency ON scoria_run (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX scoria_run_tenant ON scoria_run (tenant_id, run_id);
CREATE INDEX scoria_run_session ON scoria_run (session_id, run_id);
CREATE INDEX scoria_run_tenant_session ON scoria_run (tenant_id, session_id, run_id);

-- Finished runs are in neither: the queue costs the same however many there are.
CREATE INDEX scoria_run_due ON scoria_run (due_at, run_id) WHERE due_at IS NOT NULL;
CREATE INDEX scoria_run_tenant_due ON scoria_run (tenant_id, due_at, run_id)
    WHERE due_at IS NOT NULL;
