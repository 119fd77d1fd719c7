"""Stores whose index of runs is wrong."""
