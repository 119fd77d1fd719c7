"""The ids that a host gets which sets none."""

import os
import subprocess
import sys
from uuid import UUID

import pytest

FORKED = """
import os
from scoria_core.system import Uuid7Source

ids = Uuid7Source()

def drawn_by_children():
    waits, go = os.pipe()
    reads = []
    for _ in range(4):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(go)
            os.read(waits, 1)
            os.write(write, " ".join(ids.new_id() for _ in range(200)).encode())
            os._exit(0)
        os.close(write)
        reads.append(open(read))
    os.close(go)
    return [read.read() for read in reads]

for _ in range(40):
    ids.new_id()
    print(*drawn_by_children())
"""
"""Each time the children draw at once; where they can collide, not all of 40 times go well."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_processes_draw_different_ids() -> None:
    """A generator is not copied with what it would draw next."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=True
    )
    drawn = [UUID(each) for each in ran.stdout.split()]
    assert len(drawn) == 40 * 4 * 200
    assert len(set(drawn)) == len(drawn)
