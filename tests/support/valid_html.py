"""Pages put to the Nu Html Checker of the W3C, which knows what HTML allows where."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.support import ROOT
from tests.support.external import missing, program, told

JAR = ROOT / "tests" / "tools" / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"


def faults(pages: Mapping[str, str], directory: Path) -> list[str]:
    """Return what is wrong with each page, one line a fault; skip where the checker is absent."""
    java = program("java", "install a Java runtime")
    if not JAR.is_file():
        missing("the npm package vnu-jar", "npm install --no-package-lock --prefix tests/tools")
    files = {}
    for number, (name, markup) in enumerate(pages.items()):
        path = directory / f"page-{number}.html"
        path.write_text(markup, "utf-8")
        files[path.name] = name
    options = ["--format", "json", "--stdout", "--exit-zero-always"]
    said = told([java, "-jar", str(JAR), *options, *map(str, directory.glob("page-*.html"))])
    return [
        f"{files[Path(each['url']).name]}: {each['message']}: {each.get('extract')}"
        for each in json.loads(said)["messages"]
    ]
