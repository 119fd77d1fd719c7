"""The tools that tests put what we make to: run where they are, or skipped with a reason."""

import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from tests.support import ROOT


def missing(tool: str, install: str) -> NoReturn:
    """Skip a test whose tool is not there; where everything must run, fail it."""
    say = f"{tool} is not there: {install}"
    if os.environ.get("SCORIA_TOOLS") == "required":
        pytest.fail(say)
    pytest.skip(say)


def program(name: str, install: str) -> str:
    """Return the path of a program, or skip."""
    return shutil.which(name) or missing(name, install)


def library(name: str) -> ModuleType:
    """Return a module that only these tests need, or skip."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return missing(f"the module {name}", "pip install 'scoria-kit[dev]'")


def told(command: list[str], text: str = "", cwd: Path = ROOT) -> str:
    """Run a tool that must accept `text`, and return what it prints."""
    ran = subprocess.run(command, input=text.encode(), capture_output=True, cwd=cwd, check=False)
    assert ran.returncode == 0, (ran.stdout + ran.stderr).decode(errors="replace")[-3000:]
    return ran.stdout.decode()


def told_wrong(command: list[str], cwd: Path = ROOT) -> str:
    """Run a tool that must refuse what it is given, with exit code 1, and return what it prints."""
    ran = subprocess.run(command, capture_output=True, cwd=cwd, text=True, check=False)
    assert ran.returncode == 1, (ran.stdout + ran.stderr)[-3000:]
    return ran.stdout
