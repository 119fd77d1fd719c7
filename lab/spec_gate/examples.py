"""The example runs that are published with the features, made in a store in memory."""

import json
from pathlib import Path

from scoria_conformance.steps.examples import to_publish
from scoria_memory import MemoryStore


def examples() -> dict[str, str]:
    """Return the text of each file by its name."""
    made = to_publish(MemoryStore()).items()
    return {name: f"{json.dumps(value, ensure_ascii=False, indent=1)}\n" for name, value in made}


def write_examples(folder: Path) -> None:
    """Write them, and remove what is not among them."""
    written = examples()
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
