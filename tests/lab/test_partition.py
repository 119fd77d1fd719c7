"""Two hosts on one machine, each with an address of its own; `make partition` tells the same."""

import subprocess
import sys

import pytest

from lab.chaos import partition
from lab.chaos.network import network, why_not
from lab.chaos.server import serving
from tests.support.external import missing

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("server_wheel", "_a_link_can_be_cut")]


@pytest.fixture(scope="module")
def _a_link_can_be_cut() -> None:
    if reason := why_not():
        missing("a network to cut", reason)


def test_who_was_cut_off_has_its_late_result_refused_and_says_so() -> None:
    """The other host finishes the step, once; the one that comes back says what it lost."""
    assert list(partition.perform().problems()) == []


CALLS = """
import sys
from scoria_core import Scoria
from scoria_core.errors import StoreUnavailable
from scoria_postgres import connection, store

connection.SILENCE = store.PATIENCE = 2
scoria = Scoria.open(sys.argv[1])
scoria.list_runs()
print("open", flush=True)
sys.stdin.readline()
try:
    scoria.list_runs()
except StoreUnavailable as error:
    print(error.code)
"""


def test_a_server_that_vanishes_is_told() -> None:
    """A call to a server that nothing is heard of any more does not wait for it for ever."""
    with network("a") as links, serving(links.address, fsync="off") as server:
        command = links.inside("a", [sys.executable, "-c", CALLS, server.url])
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as caller:
            assert caller.stdout is not None
            assert caller.stdout.readline() == "open\n"
            links.cut("a")
            try:
                told, _ = caller.communicate("go\n", timeout=30)
            finally:
                caller.kill()
    assert told == "store_unavailable\n"
