"""Journals in the format of today, and how they are written."""
