DELETE FROM scoria_journal
WHERE run_id IN (
    SELECT given.run_id
    FROM (
        SELECT unnest($run_ids::VARCHAR[]) AS run_id, unnest($versions::INTEGER[]) AS version
    ) AS given
    JOIN scoria_journal AS entry ON entry.run_id = given.run_id
    GROUP BY given.run_id, given.version
    HAVING max(entry.version) = given.version
)
RETURNING run_id
