"""Stores, pages, hosts and kits that are wrong about what was built last, and where calls meet."""
