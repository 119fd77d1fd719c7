"""`python -m scoria_cli` is the `scoria` command."""

import os
import sys

if __name__ == "__main__":
    # -m puts the current directory first, where a secrets.py would stand in for the standard
    # library's. Nothing may be imported before it is gone, pathlib neither.
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
        del sys.path[0]

    from scoria_cli import main

    main()
