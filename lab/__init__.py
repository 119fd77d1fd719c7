"""What proves the suite and measures the product; none of it ships."""
