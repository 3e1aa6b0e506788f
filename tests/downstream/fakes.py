"""A pretended OpenAI, in this process or behind a local server: the same brain in both.

Decides what a request is answered from the request alone, so that a test can say beforehand what a
library will get. What the prompt may ask for:

- ``name=value`` fills arguments and fields of that name; ``name=a,b`` the elements of a list;
  ``name=a|b`` is ``a`` at first and ``b`` when asked again in the same conversation.
- Tools offered are called one after the other, ``AT ONCE`` together; then their results are quoted.
- A JSON schema as response format is answered by a small instance of it.
- ``FAIL 429``, any status, is answered so, ``FAIL 429 ONCE`` the first time only; ``REFUSE`` is
  refused in a model's words; ``BREAK`` breaks a stream off after its first words.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tests.downstream.talk import Talk, completion, tokens_in

from trunkline import Model
from trunkline.providers import OpenAIProvider
from trunkline.providers.base import Head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trunkline.providers.base import HttpRequest

MODEL = "gpt-4o-mini"  # libraries know it: no reasoning, tools, schemas
EMBEDDER = "text-embedding-3-small"
_FAILS = re.compile(r"FAIL (\d{3})( ONCE)?")
_DONE = b"data: [DONE]\n\n"


def models() -> list[Model]:
    """Return what can be asked, at $1 and $2 a million tokens."""
    return [
        Model(
            MODEL,
            input_usd_per_m=1,
            output_usd_per_m=2,
            context=128_000,
            max_output=4096,
            supports={"tools", "json_schema", "vision"},
        ),
        Model(EMBEDDER, supports={"embeddings"}, input_usd_per_m=1, output_usd_per_m=0),
    ]


@dataclass(frozen=True)
class Answer:
    """What goes back: more than one piece is a stream."""

    status: int
    pieces: list[bytes]
    headers: dict[str, str] = field(default_factory=dict[str, str])


class Brain:
    """Answers by the path and the body asked.

    Attributes:
        seen: Bodies of the requests, in order.
        usages: Prompt and completion tokens of each completion or embedding given, in order.
    """

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.usages: list[tuple[int, int]] = []
        self._failed: set[str] = set()

    def answer(self, path: str, body: bytes) -> Answer:
        """Answer one request."""
        path = path.partition("?")[0]
        request: dict[str, Any] = json.loads(body) if body else {}
        self.seen.append(request)
        if path.endswith("/chat/completions"):
            return self._chat(request)
        if path.endswith("/embeddings"):
            return self._embeddings(request)
        if path.endswith("/models"):
            rows = [{"id": m.id, "object": "model", "created": 1} for m in models()]
            return Answer(200, [_json({"object": "list", "data": rows})])
        return _failure(404, f"nothing at {path}")

    def _chat(self, request: dict[str, Any]) -> Answer:
        talk = Talk(request)
        fails = _FAILS.search(talk.question)
        if fails and not (fails[2] and talk.question in self._failed):
            self._failed.add(talk.question)
            return _failure(int(fails[1]), "as the prompt asked")
        answer = completion(talk)
        usage = answer["usage"]
        self.usages.append((usage["prompt_tokens"], usage["completion_tokens"]))
        if not request.get("stream"):
            return Answer(200, [_json(answer)])
        wanted = (request.get("stream_options") or {}).get("include_usage")
        pieces = list(_chunks(answer, include_usage=bool(wanted)))
        if "BREAK" in talk.question:
            pieces = [*pieces[:2], _event({"error": {"message": "broken off", "code": None}})]
        return Answer(200, pieces, {"content-type": "text/event-stream"})

    def _embeddings(self, request: dict[str, Any]) -> Answer:
        given = request["input"]
        texts = given if isinstance(given, list) and not _is_tokens(given) else [given]
        packed = request.get("encoding_format") == "base64"
        rows = [
            {"object": "embedding", "index": i, "embedding": _vector(i, packed=packed)}
            for i, _ in enumerate(texts)
        ]
        tokens = tokens_in(texts)
        self.usages.append((tokens, 0))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        body = {"object": "list", "model": request["model"], "data": rows, "usage": usage}
        return Answer(200, [_json(body)])


class FakeProvider(OpenAIProvider):
    """The brain in this process: no socket."""

    def __init__(self, brain: Brain, name: str = "fake") -> None:
        super().__init__(
            name,
            base_url="http://localhost:9/v1",
            api_key="k",
            models=models(),
            section=None,
        )
        self._brain = brain

    def transport(self, request: HttpRequest) -> Iterator[Any]:
        """Answer without a socket."""
        answer = self._brain.answer(request.url, request.body)
        yield Head(answer.status, {"x-request-id": "req-fake", **answer.headers})
        yield from answer.pieces


class FakeServer:
    """The brain behind a local server, for as long as the ``with`` lasts."""

    def __init__(self, brain: Brain) -> None:
        class Handler(_Handler):
            answering = staticmethod(brain.answer)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: some tests want that."""


class _Handler(BaseHTTPRequestHandler):
    answering: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        answer = self.answering(self.path, self.rfile.read(length))
        self.send_response(answer.status)
        headers = {"content-type": "application/json", "x-request-id": "req-fake"}
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in answer.pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST  # noqa: N815  # the standard library's name

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _chunks(answer: dict[str, Any], *, include_usage: bool) -> Iterator[bytes]:
    shared = {k: answer[k] for k in ("id", "created", "model")}
    shared["object"] = "chat.completion.chunk"
    usage: dict[str, Any] = {"usage": None} if include_usage else {}
    for choice in answer["choices"]:
        end = choice["finish_reason"]
        for delta in (*_deltas(choice["message"]), {}):
            finish = None if delta else end
            part = {"index": choice["index"], "delta": delta, "finish_reason": finish}
            yield _event({**shared, "choices": [part], **usage})
    if include_usage:
        yield _event({**shared, "choices": [], "usage": answer["usage"]})
    yield _DONE


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    calls = message.get("tool_calls") or ()
    yield {"role": "assistant", "content": None if calls else "", "refusal": None}
    for key in ("content", "refusal"):
        for word in re.findall(r"\s*\S+", message[key] or ""):
            yield {key: word}
    for i, call in enumerate(calls):
        function = call["function"]
        begun = {**call, "index": i, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [begun]}
        for piece in re.findall(r"(?s).{1,6}", function["arguments"]):
            yield {"tool_calls": [{"index": i, "function": {"arguments": piece}}]}


def _is_tokens(given: list[Any]) -> bool:
    return bool(given) and isinstance(given[0], int)


def _vector(index: int, *, packed: bool) -> Any:
    values = [0.5, float(index)]
    return base64.b64encode(struct.pack("<2f", *values)).decode() if packed else values


def _failure(status: int, message: str) -> Answer:
    code = "rate_limit_exceeded" if status == 429 else f"fake_{status}"
    error = {"message": message, "type": "fake_error", "param": None, "code": code}
    return Answer(status, [_json({"error": error})], {"retry-after-ms": "1"})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _event(value: Any) -> bytes:
    return b"data: " + _json(value) + b"\n\n"
