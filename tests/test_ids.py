"""The ids that a host gets which sets none."""

import os
import subprocess
import sys
from uuid import UUID

import pytest

FORKED = """
import os
from scoria_core.system import Uuid7Source

ids, reads = Uuid7Source(), []
ids.new_id()
for _ in range(4):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, " ".join(ids.new_id() for _ in range(50)).encode())
        os._exit(0)
    os.close(write)
    reads.append(read)
print(*(ids.new_id() for _ in range(50)))
for read in reads:
    print(os.read(read, 10_000).decode())
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_processes_draw_different_ids() -> None:
    """A generator is not copied with what it would draw next."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=True
    )
    drawn = [UUID(each) for each in ran.stdout.split()]
    assert len(drawn) == 5 * 50
    assert len(set(drawn)) == len(drawn)
