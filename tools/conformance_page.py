"""Make docs/conformance.md of the tests: what stands in for the openai client, and what shows it.

``python tools/conformance_page.py`` writes the page; with ``--check`` it changes nothing and exits
1 where the page is not what the tests say. A test says what it holds up with
``@pytest.mark.surface("name")``, and with ``door="Router"`` that it is about our own surface.
Reads the tests without running or importing them.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
TESTS = ROOT / "tests"
CLIENT, ROUTER = "trunkline.openai", "Router"
MAJORS = "2.x, 3.x"
BOTH = ""
ONLY_CLIENT = "use `trunkline.openai`"

# Every surface, in the page's order, and what the Router has where it has no such thing.
SURFACES = {
    "constructor": BOTH,
    "environment variables": BOTH,
    "http_client": BOTH,
    "module-level client": ONLY_CLIENT,
    "chat.completions.create": BOTH,
    "chat.completions.create, streamed": BOTH,
    "include_usage": BOTH,
    "chat.completions.parse": BOTH,
    "chat.completions.stream": BOTH,
    "responses.create": ONLY_CLIENT,
    "responses.create, streamed": ONLY_CLIENT,
    "responses.parse": ONLY_CLIENT,
    "responses.stream": ONLY_CLIENT,
    "completions.create (legacy)": ONLY_CLIENT,
    "embeddings.create": BOTH,
    "models.list, models.retrieve": BOTH,
    "moderations, images, audio, files": ONLY_CLIENT,
    "client.get, client.post": ONLY_CLIENT,
    "with_options, copy": BOTH,
    "extra_headers, extra_query, extra_body": BOTH,
    "with_raw_response": BOTH,
    "with_streaming_response": ONLY_CLIENT,
    "pagination": ONLY_CLIENT,
    "retries": BOTH,
    "retry headers": BOTH,
    "timeouts": BOTH,
    "errors": BOTH,
    "request ids": BOTH,
    "pickling, copying, dumping": BOTH,
    "close, is_closed": BOTH,
    "threads and tasks": BOTH,
    "patching of the SDK's classes": ONLY_CLIENT,
    "trap 1: None is null, omit is absent": BOTH,
    "trap 2: include_usage": BOTH,
    "trap 3: role on the first chunk": BOTH,
    "trap 4: tool-call indices": BOTH,
    "trap 5: null content with tool calls": BOTH,
    "trap 6: refusals": BOTH,
    "trap 7: unknown fields are kept": BOTH,
    "trap 8: retry headers": BOTH,
    "trap 9: request ids": BOTH,
    "trap 10: when a stream's error is raised": BOTH,
}

HEAD = f"""\
# What stands in for the openai client

Two doors: `trunkline.openai`, whose clients are subclasses of the SDK's own, and `Router`, whose
surface has what code does with such a client for chat. Each cell names the test that holds it up;
one without a test fails the build. The tests in `tests/drop_in` run the genuine client and ours
against one local server and demand the same of both, on the newest openai of each major
({MAJORS}). `Router` does not use the SDK; it is tested beside either.

Made by `python tools/conformance_page.py`.

## Surfaces
"""

MIDDLE = """
## What differs, on purpose

Both behaviours are asserted in `tests/drop_in/test_differences.py`. The values are what its rows
observe.
"""


class Held(NamedTuple):
    """One surface of one door, and the test that holds it up."""

    surface: str
    door: str
    path: str
    test: str


def held(tests: Path) -> list[Held]:
    """Return what the tests say that they hold up, in the order of files and lines."""
    found: list[Held] = []
    for file in sorted(tests.rglob("test_*.py")):
        source = file.read_text(encoding="utf-8")
        if "mark.surface(" in source:
            path = file.relative_to(tests.parent).as_posix()
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found += [Held(*mark, path, node.name) for mark in _marks(node)]
    return found


def missing(found: list[Held]) -> list[str]:
    """Return in words which cells have no test, and which tests no cell."""
    doors = {(one.surface, one.door) for one in found}
    words = [
        f"{surface!r} of {door} has no test"
        for surface, instead in SURFACES.items()
        for door in (CLIENT, *([ROUTER] if instead == BOTH else []))
        if (surface, door) not in doors
    ]
    words += [
        f"{one.path}::{one.test} holds up {one.surface!r} of {one.door}: unknown"
        for one in found
        if one.door not in (CLIENT, ROUTER) or one.surface not in SURFACES
    ]
    return words


def page(tests: Path) -> str:
    """Return the whole page."""
    found = held(tests)
    client = f"`{CLIENT}` (openai {MAJORS})"
    lines = [_row(["surface", client, f"`{ROUTER}`"]), _row(["---"] * 3)]
    for surface, instead in SURFACES.items():
        cells = [_cell(found, surface, door) for door in (CLIENT, ROUTER)]
        lines.append(_row([surface, cells[0], cells[1] or instead]))
    surfaces = "\n".join(lines)
    return f"{HEAD}\n{surfaces}\n{MIDDLE}\n{_differences(tests)}\n"


def main(*arguments: str) -> int:
    """Write the page, or check it."""
    if words := missing(held(TESTS)):
        print("\n".join(words))
        return 1
    made = page(TESTS)
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    is_stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made
    if is_stale:
        print(f"{PAGE.name} is not what the tests say: run python tools/conformance_page.py")
    return int(is_stale)


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.surface":
            named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
            found.append((ast.literal_eval(call.args[0]), named.get("door", CLIENT)))
    return found


def _cell(found: list[Held], surface: str, door: str) -> str:
    tests = [one for one in found if (one.surface, one.door) == (surface, door)]
    links = [f"[{Path(one.path).stem}::{one.test}](../{one.path})" for one in tests]
    return "<br>".join(links)


def _differences(tests: Path) -> str:
    file = tests / "drop_in" / "test_differences.py"
    lines = [_row(["what", "genuine", "ours", "because"]), _row(["---"] * 4)]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Difference":
            row = {str(word.arg): word.value for word in node.keywords}
            what, why = (ast.literal_eval(row[name]) for name in ("what", "why"))
            genuine, ours = (f"`{ast.literal_eval(row[name])}`" for name in ("genuine", "ours"))
            lines.append(_row([what, genuine, ours, why]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
