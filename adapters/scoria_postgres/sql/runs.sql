-- The page of runs is chosen first, so that only their journals are read. Times are returned in
-- microseconds, since a column may hold a time that Python cannot represent.
SELECT
    run_id, run.tenant_id, run.session_id, run.actor_id, run.root_role_id,
    extract(epoch FROM run.created_at) * 1000000, run.idempotency_key,
    head.status, extract(epoch FROM head.since) * 1000000,
    extract(epoch FROM head.due_at) * 1000000, head.labels, head.has_ended,
    head.version, {records}
FROM {page} AS page (run_id, place)
JOIN scoria_run AS run USING (run_id)
JOIN scoria_head AS head USING (run_id)
ORDER BY page.place
