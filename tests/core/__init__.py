"""The rules and what runs them: `scoria_core`."""
