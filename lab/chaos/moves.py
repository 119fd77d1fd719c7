"""What the server itself saw of every change of a run: from which version, and when it was due.

A lease that is renewed leaves no journal entry. The server knows whether it had ended.
"""

import attrs
import psycopg

_WATCH = """
CREATE TABLE chaos_move (
    run_id text, before integer, version integer, due_at timestamptz
);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_move VALUES (OLD.run_id, OLD.version, NEW.version, OLD.due_at);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER UPDATE ON scoria_head
FOR EACH ROW WHEN (NEW.version > OLD.version) EXECUTE FUNCTION chaos_note();
"""

# How long before its lease had ended a step was taken; below zero for one that had ended.
_TAKEN = """
SELECT record.run_id, record.body::jsonb ->> 'subject_id', record.sequence,
    extract(epoch FROM move.due_at - (record.body::jsonb ->> 'at')::timestamptz)::float
FROM scoria_record AS record
JOIN chaos_move AS move
    ON move.run_id = record.run_id
    AND record.sequence > move.before AND record.sequence <= move.version
WHERE record.body::jsonb ->> 'type' = 'step_released'
    AND record.body::jsonb -> 'data' -> 'error' IS NULL
ORDER BY record.run_id, record.sequence
"""

_GAPS = """
SELECT head.run_id
FROM scoria_head AS head
LEFT JOIN scoria_record AS record USING (run_id)
GROUP BY head.run_id
HAVING count(record.sequence) <> head.version OR max(record.sequence) <> head.version
    OR min(record.sequence) <> 1
"""


@attrs.frozen
class Taken:
    """A step that was taken from its worker, and how many seconds before its lease had ended."""

    run_id: str
    step_id: str
    sequence: int
    too_early: float


def watch(url: str) -> None:
    """Have the server note every change of a run in the store, which exists."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WATCH)


def taken(url: str) -> list[Taken]:
    """Return every step that was taken from its worker."""
    with psycopg.connect(url) as connection:
        return [Taken(*row) for row in connection.execute(_TAKEN).fetchall()]


def with_gaps(url: str) -> list[str]:
    """Return the runs whose journal is not as long as the run says, or starts late."""
    with psycopg.connect(url) as connection:
        return [run_id for (run_id,) in connection.execute(_GAPS).fetchall()]
