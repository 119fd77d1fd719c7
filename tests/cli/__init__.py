"""The command `scoria`, as a person and a script meet it."""
