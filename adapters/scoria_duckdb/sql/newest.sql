SELECT max(run_id) FROM scoria_journal
