-- A concurrent claim skips a row that is being claimed, and takes the next one.
WITH due AS (
    SELECT run_id
    FROM scoria_delivery
    WHERE listener = %(listener)s AND next_try_at <= %(now)s
    ORDER BY next_try_at, run_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE scoria_delivery AS delivery
SET tries = tries + 1, next_try_at = %(until)s
FROM due
WHERE delivery.listener = %(listener)s AND delivery.run_id = due.run_id
RETURNING
    delivery.listener, delivery.run_id, delivery.delivered, delivery.version, delivery.tries,
    delivery.next_try_at, delivery.problem
