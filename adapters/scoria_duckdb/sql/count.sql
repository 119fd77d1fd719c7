SELECT count(*)
FROM (
    SELECT 1
    FROM scoria_journal
    WHERE final_status = $status AND ($tenant_id::VARCHAR IS NULL OR tenant_id = $tenant_id)
    LIMIT $limit
)
