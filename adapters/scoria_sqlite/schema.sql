BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS run (
    run_id TEXT PRIMARY KEY NOT NULL, tenant_id TEXT NOT NULL, session_id TEXT NOT NULL,
    actor_id TEXT NOT NULL, root_role_id TEXT NOT NULL, created_at INTEGER NOT NULL,
    idempotency_key TEXT, status TEXT NOT NULL, since INTEGER NOT NULL, due_at INTEGER,
    labels TEXT, has_ended INTEGER NOT NULL, version INTEGER NOT NULL,
    -- One run that cannot be read would hide the others of its page.
    CHECK (min(created_at, since, ifnull(due_at, since)) >= -62135596800000000),
    CHECK (max(created_at, since, ifnull(due_at, since)) <= 253402300799999999),
    CHECK (labels IS NULL OR (json_valid(labels) AND json_type(labels) = 'array'))
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    run_id TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
) STRICT;
CREATE TABLE IF NOT EXISTS label (
    run_id TEXT NOT NULL, label TEXT NOT NULL, tenant_id TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (run_id, label)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON run (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_tenant ON run (tenant_id, run_id);
CREATE INDEX IF NOT EXISTS by_session ON run (session_id, run_id);
CREATE INDEX IF NOT EXISTS by_session_of_tenant ON run (tenant_id, session_id, run_id);
CREATE INDEX IF NOT EXISTS by_actor_of_tenant ON run (tenant_id, actor_id, run_id);
CREATE INDEX IF NOT EXISTS by_role_of_tenant ON run (tenant_id, root_role_id, run_id);
CREATE INDEX IF NOT EXISTS by_status ON run (status, run_id);
CREATE INDEX IF NOT EXISTS by_status_of_tenant ON run (tenant_id, status, run_id);
CREATE INDEX IF NOT EXISTS by_due ON run (due_at, run_id) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_due_of_tenant ON run (tenant_id, due_at, run_id)
    WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS labelled ON run (since, run_id) WHERE labels IS NOT NULL;
CREATE INDEX IF NOT EXISTS labelled_of_tenant ON run (tenant_id, since, run_id)
    WHERE labels IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_label ON label (label, since, run_id);
CREATE INDEX IF NOT EXISTS by_label_of_tenant ON label (tenant_id, label, since, run_id);
PRAGMA application_id = 96473626;
PRAGMA user_version = 1;
COMMIT
