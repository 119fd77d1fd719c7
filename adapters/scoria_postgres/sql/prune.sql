-- The heads are locked in one order, so that concurrent prunes wait for each other and do not
-- deadlock. If an append came first, the run has another version, and stays.
WITH found AS MATERIALIZED (
    SELECT head.run_id
    FROM scoria_head AS head
    JOIN unnest(%(run_ids)b::text[], %(versions)b::integer[]) AS given (run_id, version)
        ON head.run_id = given.run_id AND head.version = given.version
    ORDER BY head.run_id
    FOR UPDATE OF head
), removed AS (
    DELETE FROM scoria_head WHERE run_id IN (SELECT run_id FROM found)
    RETURNING run_id
), forgotten AS (
    DELETE FROM scoria_run WHERE run_id IN (SELECT run_id FROM removed)
), unlabelled AS (
    DELETE FROM scoria_label WHERE run_id IN (SELECT run_id FROM removed)
), untold AS (
    DELETE FROM scoria_delivery WHERE run_id IN (SELECT run_id FROM removed)
), erased AS (
    DELETE FROM scoria_journal WHERE run_id IN (SELECT run_id FROM removed)
)
SELECT run_id FROM removed
