SELECT version FROM scoria_head WHERE run_id = %(run_id)s
