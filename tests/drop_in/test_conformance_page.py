"""docs/conformance.md is what the tests say, and every surface has a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tools import conformance_page

CASES = Path(__file__).parent
FEWEST_CASES = 60


def test_every_surface_has_a_test_and_every_marked_test_a_surface() -> None:
    assert conformance_page.missing(conformance_page.held(conformance_page.TESTS)) == []


def test_the_page_is_what_the_tests_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance_page.main("--check") == 0, capsys.readouterr().out


def test_a_surface_without_a_test_and_a_mark_without_a_surface_are_told(tmp_path: Path) -> None:
    file = tmp_path / "tests" / "test_one.py"
    file.parent.mkdir()
    file.write_text(
        "@pytest.mark.surface('retries')\n"
        "@pytest.mark.surface('no such surface', door='Router')\n"
        "async def test_it(): ...\n"
    )

    told = conformance_page.missing(conformance_page.held(file.parent))

    assert "'errors' of trunkline.openai has no test" in told
    assert "'retries' of Router has no test" in told
    assert "'retries' of trunkline.openai has no test" not in told
    assert "tests/test_one.py::test_it holds up 'no such surface' of Router: unknown" in told


def test_the_check_fails_where_the_page_is_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "conformance.md"
    monkeypatch.setattr(conformance_page, "PAGE", page)

    assert conformance_page.main("--check") == 1
    page.write_text("stale")
    assert conformance_page.main("--check") == 1
    assert "run python tools/conformance_page.py" in capsys.readouterr().out
    assert conformance_page.main() == 0
    assert conformance_page.main("--check") == 0


def test_the_suite_has_its_cases() -> None:
    named = [
        node.name
        for file in CASES.glob("test_sdk_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]

    assert len(named) >= FEWEST_CASES
