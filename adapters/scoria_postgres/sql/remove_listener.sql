WITH removed AS (
    DELETE FROM scoria_listener WHERE name = %(listener)s
), forgotten AS (
    DELETE FROM scoria_delivery WHERE listener = %(listener)s
)
SELECT %(listener)s
