from __future__ import annotations

import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

import trunkline
from trunkline import cli
from trunkline.cli.app import app

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.argv = ["trunkline", *{arguments!r}]
from trunkline.cli import main
main()
"""


def run_without(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(name=name, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_how_to_get_it(missing: str) -> None:
    done = run_without(missing, "demo")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [cli.HINT]
    assert 'pip install "trunkline[cli]"' in cli.HINT


def test_without_the_extra_the_version_is_told() -> None:
    done = run_without("typer", "--version")

    assert (done.returncode, done.stdout) == (0, f"trunkline {trunkline.__version__}\n")


def test_another_missing_module_is_no_missing_extra() -> None:
    done = run_without("pydantic_core", "demo")

    assert done.returncode == 1
    assert "pydantic_core" in done.stderr
    assert cli.HINT not in done.stderr


class Broken(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__("trunkline.cli.app")
        self.missing = name

    def __getattr__(self, name: str) -> Any:
        raise ModuleNotFoundError("gone", name=self.missing)


def test_main_exits_2_with_the_hint_where_typer_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trunkline", "demo"])
    monkeypatch.setitem(sys.modules, "trunkline.cli.app", Broken("typer.core"))

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    assert exit_.value.code == 2
    assert capsys.readouterr().err.strip() == cli.HINT


def test_main_hides_no_other_missing_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["trunkline", "demo"])
    monkeypatch.setitem(sys.modules, "trunkline.cli.app", Broken("pydantic_core"))

    with pytest.raises(ModuleNotFoundError, match="gone"):
        cli.main()


def test_main_tells_the_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trunkline", "--version"])

    cli.main()
    runpy.run_module("trunkline.cli")

    assert capsys.readouterr().out == 2 * f"trunkline {trunkline.__version__}\n"


def test_main_runs_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["trunkline", "doctor", "--help"])

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    assert exit_.value.code == 0


def test_the_version_is_an_option_of_the_whole_command_too() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.output) == (0, f"trunkline {trunkline.__version__}\n")


def test_the_script_is_installed_and_lists_its_commands() -> None:
    script = Path(sysconfig.get_path("scripts")) / "trunkline"

    done = subprocess.run(
        [str(script), "--help"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
    assert "doctor" in done.stdout
