"""What is measured: one module for each family, each with an `open_candidate`."""
