"""`python -m lab.pictures FOLDER`: every page in each mode; without FOLDER, the ten of the docs."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from lab.pictures.scene import FIRST, SECOND, USER, Scene
from scoria_conformance import verify
from scoria_conformance.report.writing import write
from scoria_conformance.serving import served
from scoria_core import Scoria
from scoria_core.testing import CountedIds, SettableClock
from scoria_demo import HANDLERS, create_app
from scoria_memory import MemoryStore

DOCS = Path(__file__).parents[2] / "docs" / "pictures"

MOST_BYTES = 150_000
"""How large a picture of the documentation may be."""

MODES: Mapping[str, Mapping[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}

CHOSEN = (
    ("demo", "light"),
    ("inbox", "light"),
    ("inbox", "dark"),
    ("run-waiting", "light"),
    ("run-completed", "light"),
    ("run-failed", "light"),
    ("run-handoff", "dark"),
    ("decide", "light"),
    ("run-waiting", "phone"),
    ("decided", "light"),
)
"""The pictures of the documentation: of which page, in which mode; a report names its machine."""


@contextmanager
def stage() -> Iterator[tuple[str, Mapping[str, tuple[str, str]]]]:
    """Serve the demo, and give where it is: each page by its name, and who looks at it."""
    clock = SettableClock()
    with Scoria(MemoryStore(), handlers=HANDLERS, clock=clock, ids=CountedIds()) as scoria:
        scene = Scene.set(scoria, clock)
        runs = {
            f"run-{name}": (FIRST, f"/scoria/workflows/{run.run_id}")
            for name, run in scene.runs.items()
        }
        with served(create_app(scoria)) as address:
            yield (
                address,
                {
                    "inbox": (FIRST, "/scoria/"),
                    "list": (FIRST, "/scoria/?list=all"),
                    "search": (FIRST, "/scoria/search?q=session-1"),
                    **runs,
                    "decide": (SECOND, f"/decisions/{scene.open_request}"),
                    "decided": (SECOND, f"/decisions/{scene.decided_request}"),
                    "login": ("", "/login"),
                    # What is asked here is last: it is of a session whose id is drawn.
                    "demo": (USER, "/"),
                },
            )


def signed_in(browser: Browser, address: str, name: str, mode: str) -> Page:
    """Open a window in a mode, and sign in there as somebody or nobody."""
    page = browser.new_context(reduced_motion="reduce", **MODES[mode]).new_page()
    if name:
        page.goto(address)
        page.get_by_role("button", name=name, exact=True).click()
    return page


def ask(page: Page) -> None:
    """Ask for two things in the demo, so that its page shows turns."""
    page.get_by_role("button", name="Ask for a refund").click()
    page.get_by_role("link", name="Assistant", exact=True).click()
    page.locator("[name=draft_answer]").fill("Our policy allows returns within 30 days.")
    page.get_by_role("button", name="Submit the draft").click()


def take(page: Page, file: Path, *, whole: bool) -> None:
    """Take a picture of what is in view, or of the whole page."""
    page.screenshot(path=file, full_page=whole, animations="disabled", caret="hide")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m lab.pictures", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where to; else the chosen, to docs/")
    folder: Path | None = parser.parse_args().folder
    wanted = CHOSEN if folder is None else None
    with (
        tempfile.TemporaryDirectory() as report,
        stage() as (address, pages),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (who, path) in {**pages, "report": ("", "")}.items():
            if name == "report" and wanted is None:
                write(verify("memory://", suite="adoption"), Path(report))
            for mode in MODES:
                if wanted is not None and (name, mode) not in wanted:
                    continue
                page = signed_in(browser, address, who, mode)
                if name == "demo":
                    ask(page)
                page.goto(f"{address}{path}" if path else f"file://{report}/report.html")
                take(page, (folder or DOCS) / f"{name}-{mode}.png", whole=folder is not None)
                page.context.close()
        browser.close()
    for file in DOCS.glob("*.png") if folder is None else ():
        assert file.stat().st_size < MOST_BYTES, f"{file.name} is too large"


if __name__ == "__main__":
    main()
