SELECT version FROM scoria_run WHERE run_id = %(run_id)s
