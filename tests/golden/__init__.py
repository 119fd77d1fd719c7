"""Journals as each kit wrote them, and how they are written."""
