-- The order and the range name all columns of one index, so that the planner takes that one.
SELECT asked.status, (
    SELECT count(*)
    FROM (
        SELECT FROM scoria_head
        WHERE ({columns}) >= ({values}) AND ({columns}) <= ({values})
        ORDER BY {columns}, run_id
        LIMIT {limit}
    ) AS counted
)
FROM unnest(%(statuses)s::text[]) AS asked (status)
