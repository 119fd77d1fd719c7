"""`python -m scoria_cli` is the `scoria` command."""

import os
import sys

if __name__ == "__main__":
    # With -m the current directory comes first, so a secrets.py there would replace the standard
    # library's. Import nothing before it is removed, not even pathlib.
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
        del sys.path[0]

    from scoria_cli import main

    main()
