"""Wrong implementations by authors who knew the specification and nothing of the suite."""
