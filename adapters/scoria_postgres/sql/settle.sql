-- If an append came first, the version is higher than what was delivered, and the delivery stays.
WITH claimed AS MATERIALIZED (
    SELECT listener, run_id, version
    FROM scoria_delivery
    WHERE listener = %(was_listener)s
      AND run_id = %(was_run_id)s
      AND delivered = %(was_delivered)s
      AND tries = %(was_tries)s
      AND next_try_at IS NOT DISTINCT FROM %(was_next_try_at)s::timestamptz
    FOR UPDATE
), finished AS (
    DELETE FROM scoria_delivery AS delivery
    USING claimed
    WHERE delivery.listener = claimed.listener
      AND delivery.run_id = claimed.run_id
      AND claimed.version <= %(delivered)s
), moved AS (
    UPDATE scoria_delivery AS delivery
    SET delivered = %(delivered)s, tries = %(tries)s,
        next_try_at = %(next_try_at)s::timestamptz, problem = %(problem)s::text
    FROM claimed
    WHERE delivery.listener = claimed.listener
      AND delivery.run_id = claimed.run_id
      AND claimed.version > %(delivered)s
)
SELECT run_id FROM claimed
