-- Who is told of what is stored.
CREATE TABLE scoria_listener (
    name text COLLATE "C" PRIMARY KEY
);

-- What each listener has yet to be told of a run: the records after `delivered`, up to `version`. A
-- row is there only while there are some, so what was told costs nothing.
CREATE TABLE scoria_delivery (
    listener    text COLLATE "C" NOT NULL,
    run_id      text COLLATE "C" NOT NULL,
    delivered   integer NOT NULL,
    version     integer NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,  -- NULL: given up
    problem     text,
    PRIMARY KEY (listener, run_id)
);
CREATE INDEX scoria_delivery_due ON scoria_delivery (listener, next_try_at, run_id)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX scoria_delivery_given_up ON scoria_delivery (listener, run_id)
    WHERE next_try_at IS NULL;
CREATE INDEX scoria_delivery_run ON scoria_delivery (run_id);
