"""Tests of what is posted to others."""
