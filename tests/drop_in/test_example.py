"""The example of a program whose import line was changed runs as it did before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.drop_in.replies import Reply, chunks, completion, error
from tests.drop_in.wire import Answer, failure, streamed

if TYPE_CHECKING:
    from tests.drop_in.wire import Wire

SCRIPT = Path(__file__).parents[2] / "examples" / "drop_in.py"
OURS, GENUINE = "from trunkline.openai import ", "from openai import "


def _run(source: str, wire: Wire, folder: Path) -> str:
    script = folder / "program.py"
    script.write_text(source)
    variables = {
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": wire.url,
        "TRUNKLINE_STORE": str(folder / "store.sqlite3"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _plainly(body: dict[str, object]) -> dict[str, object]:
    """Return a request without what says nothing, and without the wish for usage.

    Ours always wants it, because it is the bill; the SDK says ``stream: false`` in places.
    """
    said = {name: value for name, value in body.items() if name != "stream_options"}
    return {name: value for name, value in said.items() if (name, value) != ("stream", False)}


def _script(wire: Wire) -> None:
    wire.script(
        failure(429),
        failure(500),
        Answer(body=completion(Reply(calls=(("call_1", "weather", '{"city": "Oslo"}'),)))),
        streamed(*chunks("Rain, 4 C.")),
        Answer(body=completion('{"city": "Oslo", "days": 3}')),
        Answer(404, error("The model does not exist.", code="model_not_found")),
    )


def test_the_program_says_the_same_after_its_import_line_was_changed(
    wire: Wire, tmp_path: Path
) -> None:
    source = SCRIPT.read_text()
    assert source.count(OURS) == 1
    said: list[str] = []
    asked: list[list[object]] = []
    for text in (source.replace(OURS, GENUINE), source):
        _script(wire)
        before = len(wire.requests)
        said.append(_run(text, wire, tmp_path))
        asked.append([_plainly(request.json) for request in wire.requests[before:]])

    assert said[0] == said[1]
    assert "Rain, 4 C.\ncity='Oslo' days=3\nNotFoundError" in said[1]
    assert [len(requests) for requests in asked] == [6, 6]
    assert asked[0] == asked[1]


def test_the_program_is_forty_lines_or_so() -> None:
    body = SCRIPT.read_text().partition('"""\n\n')[2]
    lines = [line for line in body.splitlines() if line.strip()]

    assert 35 <= len(lines) <= 55


@pytest.mark.parametrize("needed", ["tools=", "stream=True", "parse(", "max_retries="])
def test_the_program_does_what_real_ones_do(needed: str) -> None:
    assert needed in SCRIPT.read_text()
