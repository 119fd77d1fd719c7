BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS run (
    run_id TEXT PRIMARY KEY NOT NULL, tenant_id TEXT NOT NULL, session_id TEXT NOT NULL,
    idempotency_key TEXT, version INTEGER NOT NULL, due_at REAL,
    UNIQUE (tenant_id, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    run_id TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS by_tenant ON run (tenant_id, run_id);
CREATE INDEX IF NOT EXISTS by_session ON run (session_id, run_id);
CREATE INDEX IF NOT EXISTS by_both ON run (tenant_id, session_id, run_id);
CREATE INDEX IF NOT EXISTS by_due ON run (due_at, run_id) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_due_of_tenant ON run (tenant_id, due_at, run_id)
    WHERE due_at IS NOT NULL;
PRAGMA application_id = 96473626;
PRAGMA user_version = 1;
COMMIT
