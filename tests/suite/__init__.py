"""The conformance suite itself: what it finds, and what it says of it."""
