"""What importing the core brings with it: what it depends on, and nothing else."""

import subprocess
import sys

IMPORTED = """
import sys
before = set(sys.modules)
import scoria_core
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - sys.stdlib_module_names))
"""

NEEDED = {"attr", "attrs", "cattrs", "scoria_core", "transitions", "uuid_utils"}
NEEDED_BY_THOSE = {"six", "typing_extensions", "exceptiongroup"}


def test_the_core_imports_what_it_depends_on() -> None:
    """No adapter, no suite and no driver is loaded with it, so that a host starts at once."""
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    imported = set(ran.stdout.split())
    assert imported - NEEDED_BY_THOSE == NEEDED
