ARRAY(
    SELECT journal.records
    FROM scoria_journal AS journal
    WHERE journal.run_id = run.run_id
    ORDER BY journal.version
)
