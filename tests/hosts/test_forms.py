"""What the forms of the hosts refuse; each host is imported in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.serving import EXAMPLES
from tests.support import ROOT

FLASK = """
from app import app
app.config["WTF_CSRF_ENABLED"] = False
client = app.test_client()
"""
FASTAPI = """
from app import app
from starlette.testclient import TestClient
client = TestClient(app, follow_redirects=False).__enter__()
"""
ASKED = """
def login(name, account="acme"):
    return client.post("/login", data={"username": name, "account": account}).status_code

def refund(amount):
    return client.post("/refunds", data={"order": "A", "amount": amount, "key": amount}).status_code

for name in ("a" * 1_900, "a\\nb", " "):
    assert login(name) in (400, 409, 422), name
assert login("ada", "ac\\nme") == 409
assert client.get("/").status_code in (302, 303)  # nobody is signed in
assert login("ada") in (302, 303)
assert client.get("/scoria/").status_code == 200
for amount in ("0.001", "0", "-1", "nan", "inf", "1e9", "x", ""):
    assert refund(amount) in (400, 422), amount
assert refund("0.01") in (302, 303)
"""


@pytest.mark.parametrize(("example", "client"), [("flask", FLASK), ("fastapi", FASTAPI)])
def test_a_form_takes_no_name_that_is_no_id_and_no_refund_of_nothing(
    example: str, client: str, tmp_path: Path
) -> None:
    """A login that is refused signs nobody in; the console has a page for whoever is let in."""
    store = f"sqlite:///{tmp_path / 'refunds.sqlite'}"
    folders = (EXAMPLES / f"{example}_host", ROOT, ROOT / "adapters", ROOT / "features")
    done = subprocess.run(
        [sys.executable, "-c", client + ASKED],
        env={
            **os.environ,
            "PYTHONPATH": ":".join(map(str, folders)),
            "SCORIA_STORE": store,
            "DATABASE_URL": store,
            "SECRET_KEY": "sixteen or more of them",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
