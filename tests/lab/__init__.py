"""What proves the suite and measures the product: `lab/`."""
