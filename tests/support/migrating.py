"""The before/after pairs of docs/migrate.md, and the providers that all of them ask.

A block is named ``SOURCE-WHAT-before`` or ``SOURCE-WHAT-after``, and what follows ``after`` tells
ways apart. Blocks find the providers by environment variables alone, as a user's code does. Needs
nothing but pytest, so that it runs where only the library that one comes from is installed.
"""

from __future__ import annotations

import contextlib
import gc
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.drop_in import replies
from tests.drop_in.wire import Answer, Request, Wire, failure, streamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "migrate.md"
SOURCES = ("openai", "litellm", "any-llm")
OUT_OF_ORDER = {  # models that answer 503, by pair
    "litellm-router": ("gpt-5-mini", "gpt-4.1-mini"),
    "litellm-fallback": ("gpt-5-mini",),
}
_FENCE = re.compile(r"^```python(?P<settings>.*)\n(?P<source>(?s:.*?))^```$", re.MULTILINE)
_NAMED = re.compile(r' \{id="(?P<pair>[a-z-]+)-(?P<role>before|after)(?P<way>-[a-z]+)?"\}')


@dataclass(frozen=True)
class Block:
    """A fenced block of Python.

    Attributes:
        pair: The same before and after.
        role: ``"before"`` or ``"after"``.
        way: Of those after, which door it takes; empty where there is one.
        line: Of the page, where its first line stands.
    """

    pair: str
    role: str
    way: str
    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.pair}-{self.role}{self.way}"

    @property
    def library(self) -> str:
        """Where one comes from."""
        return next(name for name in SOURCES if self.pair.startswith(f"{name}-"))


def blocks(text: str | None = None) -> list[Block]:
    """Return every block of Python of the page.

    Raises:
        ValueError: One has no name of a pair.
    """
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        named = _NAMED.fullmatch(fence["settings"])
        if named is None or not named["pair"].startswith(tuple(f"{s}-" for s in SOURCES)):
            raise ValueError(f"a block of {PAGE.name} is of no pair: {fence['settings']!r}")
        line = text.count("\n", 0, fence.start("source")) + 1
        found.append(Block(named["pair"], named["role"], named["way"] or "", fence["source"], line))
    return found


def errors_of(library: str) -> list[tuple[str, str]]:
    """Return what the page says each error of a library's has become."""
    table = PAGE.read_text(encoding="utf-8").partition(
        f"| `{library.replace('-', '_')}` raises | `trunkline` raises |"
    )[2]
    pairs: list[tuple[str, str]] = []
    for row in table.partition("\n\n")[0].splitlines()[2:]:
        before, after = (re.findall(r"`([A-Z]\w+)`", cell) for cell in row.split("|")[1:3])
        pairs += [(name, after[0] if after else name) for name in before]
    return pairs


def before_of(pair: str) -> Block:
    """Return the block of a pair that is to be replaced."""
    return next(block for block in blocks() if (block.pair, block.role) == (pair, "before"))


def said_by(block: Block) -> str:
    """Run a block in this process and return what it prints."""
    source = "\n" * (block.line - 1) + block.source  # a traceback names the line of the page
    told = io.StringIO()
    with contextlib.redirect_stdout(told), warnings.catch_warnings():
        # The end of a script closes what it left open; here it has to be collected.
        warnings.simplefilter("ignore", ResourceWarning)
        exec(compile(source, str(PAGE), "exec"), {"__name__": "__main__"})  # noqa: S102  # the page's
        gc.collect()
    return told.getvalue()


class Providers(Wire):
    """OpenAI and Anthropic at one address; each says which model heard what."""

    _out_of_order: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def serve(self, pair: str) -> None:
        """Be as a pair of blocks supposes."""
        self._out_of_order = OUT_OF_ORDER.get(pair, ())

    def answer(self, request: Request) -> Answer:
        """Answer as the model that was asked for."""
        asked: Any = request.json if request.body else {}
        model = asked.get("model", "")
        if model in self._out_of_order:
            self.requests.append(request)
            return failure(503)
        if request.path == "/v1/messages":
            self.requests.append(request)
            return Answer(body=_message(model, _last(asked)))
        if request.path == "/v1/chat/completions":
            self.requests.append(request)
            return _chat(asked)
        if request.path == "/v1/responses":
            self.say(f"{model}: {asked['input']}")
        return super().answer(request)

    def point_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the variables by which code finds the two."""
        for provider, url in (("OPENAI", self.url), ("ANTHROPIC", self.origin)):
            monkeypatch.setenv(f"{provider}_API_KEY", f"sk-{provider.lower()}")
            monkeypatch.setenv(f"{provider}_BASE_URL", url)


def providers_at_hand(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Providers]:
    """Serve, in a folder that blocks may leave files in; the body of a fixture."""
    monkeypatch.chdir(folder)
    with Providers() as server:
        server.point_to(monkeypatch)
        yield server


def _chat(asked: Any) -> Answer:
    model = asked["model"]
    if model == "gpt-none":
        return Answer(404, replies.error("There is no such model.", code="model_not_found"))
    if (asked.get("response_format") or {}).get("type") == "json_schema":
        said = '{"name": "Ada", "age": 36}'
    else:
        said = f"{model}: {_last(asked)}"
    if asked.get("stream"):
        usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        return streamed(*replies.chunks(said, usage=usage))
    return Answer(body=replies.completion(said, model=model))


def _message(model: str, heard: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": f"{model}: {heard}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }


def _last(asked: Any) -> str:
    content = asked["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[-1]["text"])
