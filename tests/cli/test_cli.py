"""The command line as a person meets it: exit codes, one-line refusals, nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scoria_cli.commands import COMMANDS
from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_demo import connect
from tests.support.commands import scoria


@pytest.fixture
def waiting(tmp_path: Path) -> tuple[str, str]:
    """Return the URL of a DuckDB store, and the id of a run in it that waits for approval."""
    url = f"duckdb:///{tmp_path / 'scoria.duckdb'}"
    with Scoria.open(url) as facade:
        needs = NeedsApproval(tool_name="send", arguments={"to": "x"}, reason="outbound")
        run = facade.start_run(
            facade.identity(actor_id="a", tenant_id="t", session_id="s"),
            root_role_id="executor",
            initial_step=StepSpec(kind="send", role_id="executor"),
            handlers={"send": lambda *_: needs},
        )
    return url, run.run_id


REFUSED = {
    "no such command": ["frobnicate"],
    "no target": ["verify"],
    "a target that is nothing": ["verify", "nonsense"],
    "a target that cannot be imported": ["verify", "--jobs", "1", "no_such_module:factory"],
    "a factory that is no factory": ["verify", "--jobs", "1", "os:getcwd"],
    "a scheme nobody serves": ["verify", "--jobs", "1", "nosuch://x"],
    "a suite that is not there": ["verify", "memory://", "--suite", "nonsense"],
    "a host that does not answer": ["verify", "--jobs", "1", "http://127.0.0.1:1"],
    "a subject without a lifecycle": ["diagram", "nonsense"],
    "a module that is not there": ["diagram", "no_such_module:machine", "-o", "out.mmd"],
    "a name that is not in a module": ["diagram", "os:no_such_name", "-o", "out.mmd"],
    "what is no machine": ["diagram", "os:sep", "-o", "out.mmd"],
    "what returns no machine": ["diagram", "os:getcwd", "-o", "out.mmd"],
    "what cannot be called without arguments": ["diagram", "os:stat", "-o", "out.mmd"],
    "what ends the process": ["diagram", "sys:exit", "-o", "out.mmd"],
    "a format that nobody writes": ["diagram", "--format", "nonsense", "-o", "out.mmd"],
    "a file in a directory that is not there": ["diagram", "-o", "no_such/out.mmd"],
    "a directory for a file": ["diagram", "-o", "."],
    "a device without room": ["diagram", "-o", "/dev/full"],
    "no store": ["evidence", "verify", "x"],
    "a store that does not exist": ["evidence", "verify", "x", "--store", "duckdb:///no.duckdb"],
    "a run that is not there": ["evidence", "verify", "x", "--store", "memory://"],
    "a store without a path": ["serve", "--store", "duckdb://", "--tenant", "t"],
    "a blank tenant": ["serve", "--store", "memory://", "--tenant", " "],
    "no tenant": ["serve", "--store", "memory://"],
    "a port out of range": ["serve", "--store", "memory://", "--tenant", "t", "--port", "99999"],
    "an address that is not ours": [
        *("serve", "--store", "memory://", "--tenant", "t", "--host", "203.0.113.1"),
    ],
}


@pytest.mark.parametrize(("typed", "meant"), [("veryfy", "verify"), ("run", "runs")])
def test_for_a_mistyped_command_the_nearest_is_suggested(
    typed: str, meant: str, tmp_path: Path
) -> None:
    """Though commands are imported only when they are called."""
    said = f"scoria: No such command '{typed}'. Did you mean '{meant}'? (see scoria --help)\n"
    assert scoria(typed, cwd=tmp_path).stderr == said


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    """Whatever is wrong, the answer is one line on stderr, code 2, and no file."""
    ran = scoria(*arguments, cwd=tmp_path, SCORIA_STORE="")
    assert ran.returncode == 2
    assert ran.stdout == ""
    told = ran.stderr.replace("reading the features\n", "")  # as a slow machine says now and then
    assert told.startswith("scoria: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


IMPORTED = """import sys
from scoria_cli.commands import COMMANDS, run
run(["--help"])
print(sorted(name for name in COMMANDS if f"scoria_cli.{name}" in sys.modules))
"""


def test_help_imports_no_command() -> None:
    """So it is there at once, and without the extras of the commands that are not used."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name}  " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_a_command_that_is_there(name: str, tmp_path: Path) -> None:
    """What is listed without an import can be called."""
    done = scoria(name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: scoria {name} ")


def test_demo_walks_the_checklist(tmp_path: Path) -> None:
    """The demo holds, and prints six steps, two runs of one session and the handoff."""
    ran = scoria("demo", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    for number in range(1, 7):
        assert any(line.startswith(f"✓ {number}. ") for line in lines), number
    first, second = (line.split() for line in lines if ", session " in line)
    assert first[first.index("session") + 1] == second[-1]
    assert first[first.index("run", 8) + 1] != second[second.index("run") + 1]
    assert "planner handed critic a review" in ran.stdout
    assert "✗" not in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_demo_fails_where_a_step_does_not_hold(tmp_path: Path) -> None:
    """A page that answers 404 makes the demo say so and exit with 1."""
    (tmp_path / "sitecustomize.py").write_text(
        "import scoria_demo.app as app\n"
        "from werkzeug.exceptions import NotFound\n"
        "app.evidence_app = lambda *_, **__: NotFound()\n"
    )
    ran = scoria("demo", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert ran.returncode == 1
    assert "✗ 4. Open its evidence page" in ran.stdout
    assert "It does not hold." in ran.stdout


@pytest.mark.parametrize("subject", ["run", "step", "approval", "handoff", "all"])
def test_diagram_prints_mermaid(subject: str, tmp_path: Path) -> None:
    """Every subject has a state diagram with a start and its transitions."""
    ran = scoria("diagram", subject, cwd=tmp_path)
    assert ran.returncode == 0
    assert ran.stdout.startswith("stateDiagram-v2\n")
    assert "[*] --> " in ran.stdout
    assert "cancel" in ran.stdout or subject == "approval"


DIAGRAMS = {
    "dot": 'digraph "lifecycles" {',
    "json": "{",
    "markdown": "## Run",
    "mermaid": "stateDiagram-v2",
    "plantuml": "@startuml",
    "scxml": '<?xml version="1.0" encoding="UTF-8"?>',
    "tla": "---- MODULE lifecycles ----",
    "xstate": "{",
}


@pytest.mark.parametrize("format_", DIAGRAMS)
def test_diagram_writes_a_file_in_every_format(format_: str, tmp_path: Path) -> None:
    """What goes to a file is what goes to stdout: all four, in one document."""
    printed = scoria("diagram", "--format", format_, cwd=tmp_path)
    written = scoria("diagram", "all", "--format", format_, "-o", "out", cwd=tmp_path)
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    assert (tmp_path / "out").read_text("utf-8") == printed.stdout
    assert printed.stdout.startswith(f"{DIAGRAMS[format_]}\n")


HOST = """
from transitions import Machine
from transitions.extensions import HierarchicalMachine

order = Machine(
    model=None, states=["open", "ünpaid \\n", "closed"], initial="open",
    transitions=[["close", "*", "closed"], ["dun", "open", "ünpaid \\n"]],
)

def make():
    return order

nested = HierarchicalMachine(model=None, states=[{"name": "a", "children": ["b"]}], initial="a")
"""


@pytest.mark.parametrize("name", ["order", "make"])
def test_diagram_of_a_machine_of_the_host(name: str, tmp_path: Path) -> None:
    """A machine, or what returns one, is named as module:name."""
    (tmp_path / "shop.py").write_text(HOST, "utf-8")
    ran = scoria("diagram", f"shop:{name}", "--format", "json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    read = json.loads(ran.stdout)
    assert (read["name"], read["initial"], read["terminal"]) == (name, "open", [])
    assert {"trigger": "dun", "source": "open", "dest": "ünpaid \n"} in read["transitions"]


MODELS = """
from transitions import Machine

class Order:
    def __init__(self):
        self.machine = Machine(self, states=["a", "b"], initial="a", transitions=[["go", "a", "b"]])

class Parcel:
    def __init__(self, weight=0):
        self.flow = Machine(self, states=["a"], initial="a")

class Bill:
    def __init__(self, amount):
        self.machine = Machine(self, states=["a"], initial="a")

class Shared:
    machine = Machine(model=None, states=["a"], initial="a")

order = Order()
shared = Shared()
"""

TYPED = {
    "Order": "type scoria diagram shop:order.machine",
    "order": "type scoria diagram shop:order.machine",
    "Parcel": "type scoria diagram shop:parcel.flow, where parcel = Parcel()",
    "Bill": "have model = Bill(...) in its module, and name shop:model.machine",
    "Shared": "type scoria diagram shop:shared.machine",
}


@pytest.mark.parametrize(("name", "said"), TYPED.items(), ids=TYPED)
def test_diagram_of_a_model_names_its_machine(name: str, said: str, tmp_path: Path) -> None:
    """A model, or its class, is answered with what to type for the machine that it has."""
    (tmp_path / "shop.py").write_text(MODELS, "utf-8")
    ran = scoria("diagram", f"shop:{name}", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"; {said} [not_drawable]" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["order.machine", "shared.machine"])
def test_what_diagram_said_to_type_is_drawn(place: str, tmp_path: Path) -> None:
    """The machine of a model is drawn by its place in the module."""
    (tmp_path / "shop.py").write_text(MODELS, "utf-8")
    ran = scoria("diagram", f"shop:{place}", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "[*] --> a" in ran.stdout


def test_diagram_of_a_nested_machine_is_refused(tmp_path: Path) -> None:
    """One line on stderr says that only flat machines are drawn."""
    (tmp_path / "shop.py").write_text(HOST, "utf-8")
    ran = scoria("diagram", "shop:nested", "-o", "out.mmd", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is hierarchical" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "out.mmd").exists()


@pytest.mark.slow
def test_diagram_as_svg_needs_graphviz(tmp_path: Path) -> None:
    """Without `dot` the answer is one line that names what to install, and no file."""
    ran = scoria("diagram", "--format", "svg", "-o", "out.svg", cwd=tmp_path, PATH="")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "install Graphviz" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_evidence_of_a_whole_journal(waiting: tuple[str, str], tmp_path: Path) -> None:
    """A journal that checks out is 0, with its length and the digest to keep."""
    url, run_id = waiting
    ran = scoria("evidence", "verify", run_id, cwd=tmp_path, SCORIA_STORE=url)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"whole: 6 entries of run {run_id}, head ")
    head = ran.stdout.split()[-1]
    again = scoria("evidence", "verify", run_id, "--head", head, cwd=tmp_path, SCORIA_STORE=url)
    assert again.returncode == 0


def test_evidence_names_the_entry_that_was_changed(
    waiting: tuple[str, str], tmp_path: Path
) -> None:
    """One changed byte of one stored entry is 1, and the entry is named."""
    import duckdb

    url, run_id = waiting
    with duckdb.connect(str(tmp_path / "scoria.duckdb")) as connection:
        connection.execute(
            "UPDATE scoria_journal SET records = replace(records, 'outbound', 'outbounD')"
        )
    ran = scoria("evidence", "verify", run_id, "--store", url, cwd=tmp_path)
    assert ran.returncode == 1
    assert "entry 5" in ran.stdout


def test_evidence_notices_a_journal_cut_short(waiting: tuple[str, str], tmp_path: Path) -> None:
    """A chain alone is whole without its tail; a digest kept elsewhere tells."""
    import duckdb

    url, run_id = waiting
    head = scoria("evidence", "verify", run_id, "--store", url, cwd=tmp_path).stdout.split()[-1]
    with duckdb.connect(str(tmp_path / "scoria.duckdb")) as connection:
        connection.execute("DELETE FROM scoria_journal WHERE starts_with(records, '[[4,')")
    without = scoria("evidence", "verify", run_id, "--store", url, cwd=tmp_path)
    assert without.returncode == 0
    kept = scoria("evidence", "verify", run_id, "--store", url, "--head", head, cwd=tmp_path)
    assert kept.returncode == 1
    assert "cut short" in kept.stdout


STORES = """
import os
from scoria_memory import MemoryStore

def whole(directory):
    return MemoryStore()

class Forgets(MemoryStore):
    def append(self, *arguments, **keywords):
        pass

def forgets(directory):
    return Forgets()

class Crashes(MemoryStore):
    def append(self, *arguments, **keywords):
        os._exit(0)

def crashes(directory):
    return Crashes()

class Claims(MemoryStore):
    capabilities = frozenset({"durable"})

def claims(directory):
    return Claims()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "suite", "code", "said"),
    [
        ("whole", "store", 0, "passed"),
        ("forgets", "store", 1, "failed"),
        ("crashes", "store", 1, "its process ended (exit 0)"),
        ("claims", "adoption", 1, "What is stored outlives the process"),
    ],
)
def test_verify_tells_a_store_that_holds_from_one_that_does_not(
    factory: str, suite: str, code: int, said: str, tmp_path: Path
) -> None:
    """A store that loses data fails, one that takes the process down cannot pass."""
    (tmp_path / "my_stores.py").write_text(STORES)
    ran = scoria("verify", f"my_stores:{factory}", "--suite", suite, cwd=tmp_path)
    assert ran.returncode == code, ran.stdout
    assert said in ran.stdout
    assert "Traceback" not in ran.stderr


def test_verify_with_no_check_is_no_pass() -> None:
    """A run in which nothing was checked is code 2."""
    from scoria_conformance import Check, Status, Verdict

    assert Verdict("x", ()).exit_code == 2
    assert Verdict("x", (Check("a", Status.NOT_APPLICABLE),)).exit_code == 2
    assert Verdict("x", (Check("a", Status.PASSED),)).exit_code == 0
    assert (
        Verdict("x", (Check("a", Status.PASSED), Check("b", Status.COULD_NOT_RUN))).exit_code == 2
    )
    assert Verdict("x", (Check("a", Status.PASSED), Check("b", Status.FAILED))).exit_code == 1
    assert Verdict("x", (Check("a", Status.PASSED),), problem="broke off").exit_code == 2


@pytest.mark.slow
def test_verify_does_not_touch_the_file_a_url_names(
    waiting: tuple[str, str], tmp_path: Path
) -> None:
    """The store in use is as it was after the suite has run for its URL."""
    url, run_id = waiting
    ran = scoria("verify", url, "--suite", "runtime-to-handoff", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout
    with Scoria.open(url) as facade:
        assert [run.run_id for run in facade.list_runs()] == [run_id]


@pytest.mark.slow
def test_json_of_the_checks_counts_every_scenario() -> None:
    """No scenario is missing from what the suite reports, skipped ones included."""
    from scoria_conformance import verify
    from scoria_conformance.catalogue import chosen

    verdict = verify("memory://", suite="page")
    assert verdict.exit_code == 2  # the page was not given, and that is no pass
    reasons = {check.reason for check in verdict.checks if check.status == "could not run"}
    assert reasons == {"no evidence page to look at: pass --scoria-page"}
    assert [check.id for check in verdict.checks] == [case.id for case in chosen("page")]


def test_evidence_notices_a_run_moved_to_another_tenant(
    waiting: tuple[str, str], tmp_path: Path
) -> None:
    """What a store finds a run by must be what the first entry of the run says."""
    import duckdb

    url, run_id = waiting
    with duckdb.connect(str(tmp_path / "scoria.duckdb")) as connection:
        connection.execute("UPDATE scoria_journal SET tenant_id = 'u' WHERE tenant_id = 't'")
    ran = scoria("evidence", "verify", run_id, "--store", url, cwd=tmp_path)
    assert ran.returncode == 1
    assert "entry 1" in ran.stdout


def test_serving_ends_cleanly_when_told_to(tmp_path: Path) -> None:
    """SIGTERM stops the server, closes the store and leaves no throw-away directory behind.

    Until then there is something to see in its console, and to decide.
    """
    serving = subprocess.Popen(
        [sys.executable, "-m", "scoria_cli", "demo", "--serve"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    assert serving.stdout is not None
    for line in serving.stdout:
        if line.startswith("The host is at "):
            break
    assert list(tmp_path.iterdir()) != []
    url = line.split()[4].rstrip(",")
    reviewer = connect(url).sign_in(actor_id="reviewer-7", tenant_id="account-1", reviewer=True)
    inbox = reviewer.browser.get("/scoria/", headers={"Accept": "text/html"}).text
    assert inbox.count(">Decide</a>") == inbox.count("&#34;amount&#34;: ") + 2 == 4
    assert 'Failed <span class="count">1<' in inbox
    assert 'Cancelled <span class="count">1<' in inbox
    serving.terminate()
    said, _ = serving.communicate(timeout=30)
    assert (serving.returncode, said) == (0, "stopped\n")
    assert list(tmp_path.iterdir()) == []
