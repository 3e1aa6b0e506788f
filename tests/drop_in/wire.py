"""A local server that speaks OpenAI's dialect, records what it was asked, and may be scripted.

Unscripted it echoes: the answer's text is the last message's. ``say`` sets what it says instead;
``script`` queues answers that are given literally, one a request, before it speaks by itself again.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

from tests.drop_in import replies
from tests.drop_in.replies import Reply

JOBS = [f"ftjob-{number}" for number in range(5)]
SPEECH = b"ID3\x00\xff not really sound"
LONGEST_HANG_S = 5.0


@dataclass(frozen=True)
class Answer:
    """An answer as it is sent.

    Attributes:
        status: 0 hangs up before any answer.
        body: JSON, or bytes as they are.
        headers: Beside the usual ones, or in their place.
        events: A stream instead of a body; text stands as it is, the rest becomes JSON.
        then: What follows the last of it: the end, a broken connection, or nothing at all.
        waits: Whether nothing is sent until the test is over.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    events: list[Any] | None = None
    then: Literal["end", "cut", "hang"] = "end"
    waits: bool = False


HANG_UP = Answer(status=0)


def failure(status: int, **headers: str) -> Answer:
    """Return an error answer that asks to be retried at once; ``headers`` with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, replies.error(f"status {status}"), {"retry-after-ms": "1", **named})


def streamed(*events: Any, then: Literal["end", "cut", "hang"] = "end", **headers: str) -> Answer:
    """Return a streamed answer."""
    return Answer(events=list(events), then=then, headers=headers)


@dataclass(frozen=True)
class Request:
    """What the server read."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class Wire:
    """The server; a context manager.

    Attributes:
        requests: What was asked so far.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._scripts: deque[Answer] = deque()
        self._says: Reply | None = None
        self._over = threading.Event()
        self._hung_up = threading.Event()
        self._asked = threading.Event()
        handler = type("Handler", (_Handler,), {"wire": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.005,), daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(2)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    @property
    def last(self) -> Request:
        """The newest request."""
        return self.requests[-1]

    def script(self, *answers: Answer) -> None:
        """Queue answers, one a request."""
        self._scripts.extend(answers)

    def say(
        self, text: str | None = None, *calls: tuple[str, str, str], refusal: str | None = None
    ) -> None:
        """Say this from now on, whichever endpoint is asked."""
        self._says = Reply(text, calls, refusal)

    def wait_for_request(self, within_s: float = 3.0) -> bool:
        """Wait until the server was asked; tell whether it was."""
        return self._asked.wait(within_s)

    def wait_for_hang_up(self, within_s: float = 3.0) -> bool:
        """Wait until a client has closed a stream that was not over; tell whether one has."""
        return self._hung_up.wait(within_s)

    def answer(self, request: Request) -> Answer:
        """Choose the answer to a request, and record that."""
        self.requests.append(request)
        self._asked.set()
        with contextlib.suppress(IndexError):
            return self._scripts.popleft()
        return _spoken(request, self._says)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256  # with the usual five, many clients at once would wait for seconds


class _Handler(BaseHTTPRequestHandler):
    wire: ClassVar[Wire]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def _serve(self) -> None:
        answer = self.wire.answer(self._read())
        if answer.waits:
            self.wire._over.wait(LONGEST_HANG_S)
        if answer.waits or answer.status == 0:
            self.close_connection = True
        elif answer.events is not None:
            self._stream(answer)
        else:
            self._whole(answer)

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(parts.query, keep_blank_values=True)
        return Request(self.command, parts.path, query, headers, self.rfile.read(length))

    def _whole(self, answer: Answer) -> None:
        is_raw = isinstance(answer.body, bytes)
        body = answer.body if is_raw else json.dumps(answer.body, ensure_ascii=False).encode()
        self._head(answer, "application/json", {"content-length": str(len(body))})
        self.wfile.write(body[: len(body) // 2] if answer.then == "cut" else body)
        self.close_connection = answer.then == "cut"

    def _stream(self, answer: Answer) -> None:
        self._head(answer, "text/event-stream; charset=utf-8", {"transfer-encoding": "chunked"})
        try:
            for event in answer.events or ():
                self._send_chunk(framed(event))
            if answer.then == "hang":
                self._hang()
        except ConnectionError:
            self.wire._hung_up.set()
            raise
        if answer.then == "end":
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _head(self, answer: Answer, content_type: str, more: dict[str, str]) -> None:
        self.send_response(answer.status)
        usual = {"content-type": content_type, "x-request-id": "req_wire", **more}
        for name, value in {**usual, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _hang(self) -> None:
        """Say nothing until the client hangs up or the test is over."""
        self.connection.settimeout(0.02)
        waited_s = 0.0
        while waited_s < LONGEST_HANG_S and not self.wire._over.is_set():
            try:
                if not self.connection.recv(1):
                    raise ConnectionResetError
            except TimeoutError:
                waited_s += 0.02


def framed(event: Any) -> bytes:
    """Return an event as it travels; bytes stand as they are."""
    if isinstance(event, bytes):
        return event
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    name = event.get("type") if isinstance(event, dict) else None
    named = f"event: {name}\n" if name is not None else ""
    return f"{named}data: {text}\n\n".encode()


def _spoken(request: Request, says: Reply | None) -> Answer:
    path = request.path.removeprefix("/v1")
    if request.method == "POST":
        return _posted(path, request, says)
    if path == "/models":
        return Answer(body={"object": "list", "data": replies.MODELS})
    if path == "/fine_tuning/jobs":
        return Answer(body=_jobs(request.query))
    if path == "/files/file-1/content":
        return Answer(body=b"line\n", headers={"content-type": "application/octet-stream"})
    return _named(request.method, path)


def _named(method: str, path: str) -> Answer:
    kind, _, name = path.lstrip("/").rpartition("/")
    found = {row["id"]: row for row in replies.MODELS} if kind == "models" else {}
    if name not in found:
        return Answer(404, replies.error(f"nothing at {path}", code="not_found"))
    if method == "DELETE":
        return Answer(body={"id": name, "object": "model", "deleted": True})
    return Answer(body=found[name])


def _posted(path: str, request: Request, says: Reply | None) -> Answer:
    if path == "/files":
        return Answer(body=_file())
    if path == "/audio/transcriptions":
        return Answer(body={"text": "heard"})
    if path not in _SPOKEN:
        return Answer(404, replies.error(f"nothing at {path}", code="not_found"))
    return _SPOKEN[path](request.json, says)


def _chat(asked: Any, says: Reply | None) -> Answer:
    reply = says or Reply(_text(asked["messages"][-1]["content"]))
    if asked.get("stream"):
        usage = (asked.get("stream_options") or {}).get("include_usage", False)
        return streamed(*replies.chunks(reply, usage=usage))
    return Answer(body=replies.completion(reply))


def _response(asked: Any, says: Reply | None) -> Answer:
    given = asked["input"]
    reply = says or Reply(given if isinstance(given, str) else _text(given[-1]["content"]))
    if asked.get("stream"):
        return streamed(*replies.response_events(reply))
    return Answer(body=replies.response(reply))


def _legacy(asked: Any, says: Reply | None) -> Answer:
    text = says.text if says and says.text is not None else asked["prompt"]
    if asked.get("stream"):
        return streamed(*replies.legacy_chunks(text))
    return Answer(body=replies.legacy(text))


def _embeddings(asked: Any, _: Reply | None) -> Answer:
    given = asked["input"]
    inputs = given if isinstance(given, list) else [given]
    return Answer(body=replies.embeddings(inputs, asked.get("encoding_format")))


def _moderation(*_: Any) -> Answer:
    result = {"flagged": False, "categories": {}, "category_scores": {}}
    return Answer(body={"id": "modr-1", "model": "omni-moderation-latest", "results": [result]})


def _image(*_: Any) -> Answer:
    return Answer(body={"created": 1, "data": [{"b64_json": "aGk="}]})


def _speech(*_: Any) -> Answer:
    return Answer(body=SPEECH, headers={"content-type": "audio/mpeg"})


_SPOKEN = {
    "/chat/completions": _chat,
    "/responses": _response,
    "/completions": _legacy,
    "/embeddings": _embeddings,
    "/moderations": _moderation,
    "/images/generations": _image,
    "/audio/speech": _speech,
}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else str(content[-1]["text"])


def _jobs(query: dict[str, list[str]]) -> dict[str, Any]:
    start = JOBS.index(query["after"][0]) + 1 if "after" in query else 0
    limit = int(query.get("limit", ["2"])[0])
    page = [{"id": name, "object": "fine_tuning.job"} for name in JOBS[start : start + limit]]
    return {"object": "list", "data": page, "has_more": start + limit < len(JOBS)}


def _file() -> dict[str, Any]:
    return {
        "id": "file-1",
        "object": "file",
        "bytes": 5,
        "created_at": 1,
        "filename": "lines.jsonl",
        "purpose": "batch",
        "status": "processed",
    }
