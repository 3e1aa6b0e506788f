"""Every example runs as a user would run it, and so does every Python block of the README."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).resolve().parent.parent
NEEDS_A_SERVER = {"drop_in.py"}  # tests/drop_in/test_example.py runs it against one
SCRIPTS = sorted(p for p in (ROOT / "examples").glob("*.py") if p.name not in NEEDS_A_SERVER)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_example_runs_and_says_something(script: Path, tmp_path: Path) -> None:
    environment = dict(os.environ, TRUNKLINE_STORE=str(tmp_path / "store.sqlite3"))

    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == [], "an example must leave nothing in its user's books"


@pytest.mark.parametrize("block", list(find_examples(str(ROOT / "README.md"))), ids=str)
def test_readme_block_runs(
    block: CodeExample,
    eval_example: EvalExample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if block.prefix_settings().get("test") == "skip":
        pytest.skip("marked as not for running")
    monkeypatch.chdir(tmp_path)

    eval_example.run(block)  # what it prints holds ids and instants, so it is not compared
