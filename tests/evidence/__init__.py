"""Evidence in files: exported, verified and pruned."""
