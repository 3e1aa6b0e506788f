"""Ollama's answers as OpenAI's: one object, or JSON lines.

Decides how a native answer reads. Tool calls come whole and are numbered across lines here, because
each line's own numbers may begin at 0 again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from trunkline.types.chat import ChatCompletion, ChatCompletionChunk, Usage

from . import _deviations
from ._failures import failure_in_stream
from ._framing import JSONLines
from ._shapes import is_json, is_list, is_object
from .joining import join_chunks

if TYPE_CHECKING:
    from trunkline.errors import APIError

    from ._failures import Source
    from .base import JSON, Exchange, HttpResponse

_TIMINGS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def parse_answer(response: HttpResponse, exchange: Exchange, source: Source) -> ChatCompletion:
    """Read a whole answer; lines where one object was asked are joined.

    Raises:
        APIResponseValidationError: It is none.
    """
    body = response.body
    decoder = OllamaDecoder(exchange, source)
    chunks = decoder.read(body) if is_json(body) else decoder.feed(body) + decoder.close()
    answer = join_chunks(chunks, decoder.usage)
    if decoder.error is not None or answer is None:
        raise source.invalid("sent a body that is no chat answer", body, exchange)
    return answer


class OllamaDecoder:
    """Reads a stream of ``/api/chat`` lines; see ``base.Decoder``.

    Attributes:
        usage: From the last line.
        error: What ended the stream early.
    """

    def __init__(self, exchange: Exchange, source: Source) -> None:
        self.usage: Usage | None = None
        self.error: APIError | None = None
        self._exchange = exchange
        self._source = source
        self._lines = JSONLines()
        self._id = exchange.new_id("chatcmpl-")
        self._created: int | None = None
        self._model = exchange.model
        self._calls = 0
        self._done = False

    @property
    def is_done(self) -> bool:
        """Whether the provider has said that this was all."""
        return self._done

    def feed(self, data: bytes) -> list[ChatCompletionChunk]:
        """Take bytes, return the chunks they complete."""
        chunks: list[ChatCompletionChunk] = []
        for line in self._lines.feed(data):
            if self._done:
                return chunks
            chunks += self.read(line)
        if self._lines.too_long and not self._done:
            self._fail("sent a line of more than 1 MiB", b"")
        return chunks

    def close(self) -> list[ChatCompletionChunk]:
        """Return what the end of the stream completes."""
        chunks: list[ChatCompletionChunk] = []
        for line in self._lines.close():
            # A last line that was cut says nothing; the missing finish reason does. Before the
            # first line it is no stream at all.
            if not self._done and (is_json(line) or self._created is None):
                chunks += self.read(line)
        return chunks

    def read(self, line: bytes) -> list[ChatCompletionChunk]:
        """Read one line, or the one object of a whole answer."""
        try:
            parsed: Any = from_json(line)
        except ValueError:
            return self._fail("sent a line that is not JSON", line)
        if is_object(parsed) and parsed.get("error"):
            self._done = True
            self.error = failure_in_stream(parsed, self._exchange, self._source)
            return []
        if not is_object(parsed) or not is_object(parsed.get("message")):
            return self._fail("sent a line that is no answer", line)
        try:
            return self._chunks(parsed)
        except ValidationError:
            return self._fail("sent a line that is no answer", line)

    def _chunks(self, line: JSON) -> list[ChatCompletionChunk]:
        delta = self._delta(line["message"])
        if self._created is None:
            self._created = _epoch(line.get("created_at"), self._exchange.created)
            self._model = _text(line.get("model")) or self._model
            delta = {"role": "assistant", **delta}
        choice: JSON = {"index": 0, "delta": delta, "finish_reason": None}
        if is_list(tokens := line.get("logprobs")):
            choice["logprobs"] = {"content": _logprobs(tokens), "refusal": None}
        body = self._body([choice])
        if line.get("done") is not True:
            return [ChatCompletionChunk.model_validate(body)]
        self._done = True
        choice |= self._finish(line.get("done_reason"))
        if timings := {name: line[name] for name in _TIMINGS if name in line}:
            body["ollama"] = timings
        chunks = [ChatCompletionChunk.model_validate(body)]
        self.usage = _usage(line)
        if self._exchange.include_usage and self.usage is not None:
            chunks.append(ChatCompletionChunk.model_validate(self._body([], usage=self.usage)))
        return chunks

    def _body(self, choices: list[JSON], **extra: Any) -> JSON:
        return {
            "id": self._id,
            "created": self._created,
            "model": self._model,
            "choices": choices,
            **extra,
        }

    def _delta(self, message: JSON) -> JSON:
        delta: JSON = {}
        if content := message.get("content"):
            delta["content"] = content
        if thinking := message.get("thinking"):
            delta["reasoning_content"] = thinking
        calls = message.get("tool_calls")
        if is_list(calls) and calls:
            delta["tool_calls"] = [self._call(c) for c in calls]
        if not delta:
            delta["content"] = ""
        return delta

    def _call(self, call: Any) -> JSON:
        function = call.get("function") if is_object(call) else None
        if not is_object(call) or not is_object(function) or not _text(function.get("name")):
            return {}  # refused by validation
        index, self._calls = self._calls, self._calls + 1
        return {
            "index": index,
            "id": _text(call.get("id")) or self._exchange.new_id("call_"),
            "type": "function",
            "function": {
                "name": function["name"],
                "arguments": _deviations.arguments(function.get("arguments")),
            },
        }

    def _finish(self, native: object) -> JSON:
        reason = "length" if native == "length" else "stop"
        if self._calls and reason == "stop":
            reason = "tool_calls"
        if native == reason:
            return {"finish_reason": reason}
        return {"finish_reason": reason, "native_finish_reason": native}

    def _fail(self, why: str, line: bytes) -> list[ChatCompletionChunk]:
        self._done = True
        self.error = self._source.invalid(why, line, self._exchange)
        return []


def _usage(line: JSON) -> Usage | None:
    """Read the counts of the last line; a cached prompt may have none, an answer always has one."""
    if "eval_count" not in line:
        return None
    prompt, output = line.get("prompt_eval_count", 0), line["eval_count"]
    try:
        total = prompt + output
        return Usage(prompt_tokens=prompt, completion_tokens=output, total_tokens=total)
    except (ValidationError, TypeError):
        return None


def _epoch(value: object, default: int) -> int:
    try:
        return max(0, int(datetime.fromisoformat(str(value)).timestamp()))
    except (ValueError, OverflowError):
        return default


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _logprobs(tokens: list[Any]) -> list[JSON]:
    """Add what OpenAI's shape requires and Ollama leaves out."""
    return [
        {"bytes": None, **token, "top_logprobs": _logprobs(token.get("top_logprobs") or [])}
        for token in tokens
        if is_object(token)
    ]
