"""The hosts of `examples/`, run by the lines of their READMEs."""
