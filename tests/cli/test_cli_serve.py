"""`scoria serve` as a browser meets it: only under the names that it was told of."""

import http.client
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from scoria_cli.hosts import AllowedHosts
from scoria_core import Scoria
from tests.support.commands import queued, scoria, waiting


@contextmanager
def served(url: str, cwd: Path, *options: str) -> Iterator[tuple[str, int, list[str]]]:
    """Serve the page of a store; give the address, the port and what was said on stderr."""
    arguments = ["serve", "--store", url, "--tenant", "tenant-1", "--port", "0", *options]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "scoria_cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    warned: list[str] = []
    reader = threading.Thread(target=lambda: warned.extend(process.stderr or []))
    try:
        said = process.stdout.readline()
        found = re.search(r"http://(\S+):(\d+)/scoria/", said)
        assert found, process.stderr.read()
        reader.start()
        yield found[1], int(found[2]), warned
    finally:
        process.terminate()
        process.wait(30)
        reader.join()
        process.stdout.close()
        process.stderr.close()


def asked(port: int, host: str | None, path: str = "/scoria/") -> tuple[int, str]:
    """Ask for a page under a name, as a browser does to which a name says it is this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("GET", path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_name_that_leads_here_by_dns_is_refused(url: str, tmp_path: Path) -> None:
    """A page of another site cannot read the evidence by a name of its own (DNS rebinding)."""
    run_id = queued(url)
    with served(url, tmp_path, "--allow-host", "evidence.internal") as (_, port, warned):
        for name in (
            "localhost",
            f"127.0.0.1:{port}",
            "[::1]",
            "Evidence.Internal:80",
            "a.localhost.",
        ):
            assert asked(port, name)[0] == 200, name
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", None):
            for path in ("/", "/scoria/", f"/scoria/workflows/{run_id}"):
                status, text = asked(port, host, path)
                assert status == 421, host
                assert "tenant-1" not in text
                assert "evil" not in text
                assert run_id not in text
    assert warned == []


def test_another_address_than_this_machine_is_warned_of(url: str, tmp_path: Path) -> None:
    """Who listens for a whole network is told that nobody is asked for a password."""
    queued(url)
    with served(url, tmp_path, "--host", "0.0.0.0") as (_, port, warned):  # noqa: S104 - it warns
        assert asked(port, "localhost")[0] == 200
        assert asked(port, "192.0.2.7")[0] == 421
    (line,) = warned
    assert "whoever reaches 0.0.0.0" in line
    assert "without a login" in line
    assert "--allow-host" in line


@pytest.mark.parametrize("name", ["", " ", "http://evidence.internal", "evidence.internal:80", "*"])
def test_what_is_no_name_is_not_allowed(name: str, tmp_path: Path) -> None:
    """One line and exit code 2: a name that could never match would allow nothing."""
    arguments = ["serve", "--store", "memory://", "--tenant", "t", "--allow-host", name]
    refused = scoria(*arguments, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--allow-host" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("header", "is_allowed"),
    [
        ("localhost:1", True),
        ("LOCALHOST", True),
        ("127.9.9.9", True),
        ("[::1]:8000", True),
        ("192.0.2.1:8000", True),
        ("[2001:db8::1]:80", True),
        ("[2001:db8::2]:80", False),
        ("192.0.2.2", False),
        ("xlocalhost", False),
        ("localhost:x:y", False),
        ("::1", False),
        ("[::1", False),
        ("localhost@evil.example", False),
        ("evil.example#localhost", False),
        ("0.0.0.0", False),  # noqa: S104 - only compared
        ("2130706433", False),
        ("é.localhost", False),
    ],
)
def test_a_host_is_read_to_the_letter(header: str, is_allowed: bool) -> None:
    """The name without its port is compared whole."""
    allowed = AllowedHosts.of("192.0.2.1", "2001:db8::1")
    assert allowed.has(header) is is_allowed


def test_an_operator_decides_on_this_machine(url: str, tmp_path: Path) -> None:
    """From the page of the run by a link and a form; the journal then says under which name."""
    run_id = waiting(url)
    with served(url, tmp_path, "--decide-as", "reviewer-7") as (host, port, warned):
        base = f"http://{host}:{port}"
        page = httpx.get(f"{base}/scoria/workflows/{run_id}").text
        (link,) = re.findall(r'href="(/decisions/[^"]+)">Decide', page)
        (token,) = re.findall(r'name="token" value="([^"]+)"', httpx.get(base + link).text)
        assert httpx.post(base + link, data={"decision": "approve"}).status_code == 403
        form = {"decision": "approve", "token": token, "note": "slip seen"}
        assert httpx.post(base + link, data=form, follow_redirects=True).status_code == 200
    assert warned == []
    with Scoria.open(url) as facade:
        (decided,) = facade.get_run_detail(run_id).approvals
    assert (decided.decided_by, decided.note) == ("reviewer-7", "slip seen")


def test_nobody_decides_from_another_machine(tmp_path: Path) -> None:
    """Nobody is asked for a password, so that the name would be anybody's."""
    arguments = ["serve", "--store", "memory://", "--tenant", "t", "--decide-as", "reviewer-7"]
    refused = scoria(*arguments, "--host", "0.0.0.0", cwd=tmp_path)  # noqa: S104 - it is refused
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--decide-as is for this machine alone" in refused.stderr
    refused = scoria(*arguments[:-1], " ", cwd=tmp_path)
    assert "--decide-as is blank" in refused.stderr


def test_a_program_decides_and_starts_on_this_machine(url: str, tmp_path: Path) -> None:
    """At `/api`, beside the page: under the name that was given, and only the kinds named."""
    run_id = waiting(url)
    with served(url, tmp_path, "--decide-as", "reviewer-7", "--start", "work") as (host, port, _):
        base = f"http://{host}:{port}/api/v1"
        (asked,) = httpx.get(f"{base}/approvals").json()["items"]
        path = f"{base}/runs/{run_id}/approvals/{asked['approval_id']}/approve"
        form = httpx.post(path, data={"resume": "true"})
        assert (form.status_code, form.json()["code"]) == (415, "not_json")
        assert httpx.post(path, json={"resume": True}).status_code == 200
        step = {"kind": "work", "role_id": "executor"}
        body = {"session_id": "s-9", "root_role_id": "executor", "initial_step": step}
        begun = httpx.post(f"{base}/runs", json=body)
        assert (begun.status_code, begun.json()["actor_id"]) == (201, "reviewer-7")
        step["kind"] = "other"
        assert httpx.post(f"{base}/runs", json=body).status_code == 422
    with Scoria.open(url) as store:
        assert store.get_run_detail(run_id).approvals[0].decided_by == "reviewer-7"


def test_a_program_only_reads_unless_it_may_decide(url: str, tmp_path: Path) -> None:
    """As an operator does; and nothing is started without a name."""
    run_id = waiting(url)
    with served(url, tmp_path) as (host, port, _):
        base = f"http://{host}:{port}/api/v1"
        assert httpx.get(f"{base}/runs/{run_id}").json()["run_id"] == run_id
        refused = httpx.post(f"{base}/runs/{run_id}/cancel", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "may_not_operate")
        assert asked(port, "evil.example", f"/api/v1/runs/{run_id}")[0] == 421
    told = scoria("serve", "--store", url, "--tenant", "t", "--start", "work", cwd=tmp_path)
    assert (told.returncode, "--decide-as" in told.stderr) == (2, True)
