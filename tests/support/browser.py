"""A real browser, headless, as the tests open pages with it."""

import subprocess
from pathlib import Path

from tests.support.external import program


def browse(profile: Path, address: str, *options: str) -> str:
    """Open an address in a fresh headless browser, and return what it prints; or skip."""
    command = [
        program("chromium", "apt-get install chromium"),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        *options,
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
