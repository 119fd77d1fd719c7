"""What tests share: stores, clocks, scripted runs, and the tools they call."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Where the project is."""
