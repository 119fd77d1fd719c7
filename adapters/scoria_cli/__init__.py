"""The `scoria` command: the only place that combines stores, page, suite and demo."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code; 2 if its libraries are not installed."""
    try:
        from scoria_cli.commands import run
        from scoria_cli.streams import prepare
    except ModuleNotFoundError as error:
        print(_missing(error), file=sys.stderr)  # noqa: T201 - click is what is missing
        sys.exit(2)
    prepare()
    sys.exit(run(sys.argv[1:]))


def _missing(error: ModuleNotFoundError) -> str:
    return f"scoria: {error.name} is not installed; pip install 'scoria-kit[cli]'"
