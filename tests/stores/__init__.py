"""Where runs are kept: each store, and what all of them have in common."""
