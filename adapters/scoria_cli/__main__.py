"""`python -m scoria_cli` is the `scoria` command."""

from scoria_cli import main

main()
