"""What a model says, in the words of each endpoint of OpenAI's API: whole answers and streams.

One ``Reply`` is written for chat, for responses and for legacy completions, so that one test can
ask any of them, and a client that translates one into another, and compare.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Any

MODEL = "gpt-4o-mini"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = "[DONE]"
VECTORS = ([0.5, -0.25, 1.0], [2.0, 0.0, -1.0])  # exact in four bytes
MODELS = [
    {"id": name, "object": "model", "created": 1, "owned_by": "openai"}
    for name in (MODEL, "text-embedding-3-small", "house-model-7b")
]


@dataclass(frozen=True)
class Reply:
    """What a model says.

    Attributes:
        text: ``None`` where it only calls tools, or refuses.
        calls: Of each its id, name and arguments.
        refusal: Why it does not say more.
    """

    text: str | None = None
    calls: tuple[tuple[str, str, str], ...] = ()
    refusal: str | None = None

    @property
    def finish(self) -> str:
        """The finish reason in chat."""
        return "tool_calls" if self.calls else "stop"


def completion(reply: Reply | str, **fields: Any) -> dict[str, Any]:
    """Return a chat completion; ``fields`` replace or add to its own."""
    said = Reply(reply) if isinstance(reply, str) else reply
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": said.refusal}
    if said.calls:
        message["tool_calls"] = [_call(*call) for call in said.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": MODEL,
        "choices": [choice],
        "usage": USAGE,
    }
    return {**whole, **fields}


def chunk(delta: Any = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a chunk of a chat stream; a delta that is text is content."""
    said = {"content": delta} if isinstance(delta, str) else delta or {}
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": said, "logprobs": None, "finish_reason": finish}],
    }
    return {**whole, **fields}


def usage_chunk() -> dict[str, Any]:
    """Return the last chunk of a stream whose caller asked for usage."""
    return chunk(choices=[], usage=USAGE)


def chunks(reply: Reply | str, *, usage: bool = False) -> list[Any]:
    """Return the events of a chat stream, its end mark included."""
    said = Reply(reply) if isinstance(reply, str) else reply
    events = [chunk({"role": "assistant", "content": None if said.calls else "", "refusal": None})]
    events += [chunk(piece) for piece in pieces(said.text)]
    events += [chunk({"refusal": piece}) for piece in pieces(said.refusal)]
    for index, call in enumerate(said.calls):
        events += [chunk({"tool_calls": [delta]}) for delta in _call_deltas(index, *call)]
    events.append(chunk(finish=said.finish))
    return [*events, *([usage_chunk()] if usage else []), DONE]


def pieces(text: str | None) -> list[str]:
    """Cut a text into words, each with the space before it."""
    words = (text or "").split(" ")
    return [word if i == 0 else f" {word}" for i, word in enumerate(words)] if text else []


def legacy(text: str) -> dict[str, Any]:
    """Return a legacy completion."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1700000000,
        "model": MODEL,
        "choices": [choice],
        "usage": USAGE,
    }


def legacy_chunks(text: str) -> list[Any]:
    """Return the events of a legacy stream."""
    said = [legacy(piece) for piece in pieces(text)]
    for event in said[:-1]:
        event["choices"][0]["finish_reason"] = None
    return [*said, DONE]


def response(reply: Reply, status: str = "completed") -> dict[str, Any]:
    """Return an answer of the responses endpoint."""
    done = status == "completed"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": MODEL,
        "output": items(reply) if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": _response_usage() if done else None,
    }


def items(reply: Reply, status: str = "completed") -> list[dict[str, Any]]:
    """Return the output items of a response."""
    content: list[dict[str, Any]] = []
    if reply.text is not None:
        content.append({"type": "output_text", "text": reply.text, "annotations": []})
    if reply.refusal is not None:
        content.append({"type": "refusal", "refusal": reply.refusal})
    message = {
        "type": "message",
        "id": "msg_1",
        "status": status,
        "role": "assistant",
        "content": content,
    }
    calls = [
        {
            "type": "function_call",
            "id": f"fc_{id_}",
            "call_id": id_,
            "name": name,
            "arguments": arguments,
            "status": status,
        }
        for id_, name, arguments in reply.calls
    ]
    return [*([message] if content else []), *calls]


def response_events(reply: Reply) -> list[Any]:
    """Return the events of a streamed response of one text or of calls."""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response(reply, "in_progress")},
        {"type": "response.in_progress", "response": response(reply, "in_progress")},
    ]
    for index, item in enumerate(items(reply)):
        blank: dict[str, Any] = {"content": []} if "content" in item else {"arguments": ""}
        empty = {**item, "status": "in_progress", **blank}
        at = {"output_index": index}
        events.append({"type": "response.output_item.added", **at, "item": empty})
        events += _item_events(item, at)
        events.append({"type": "response.output_item.done", **at, "item": item})
    events.append({"type": "response.completed", "response": response(reply)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def embeddings(inputs: list[Any], encoding: str | None) -> dict[str, Any]:
    """Return a vector of each input, as numbers or in base64."""
    rows = [VECTORS[i % len(VECTORS)] for i in range(len(inputs))]
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [
            {"object": "embedding", "index": i, "embedding": _coded(row, encoding)}
            for i, row in enumerate(rows)
        ],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def error(
    message: str = "no", type_: str = "invalid_request_error", **fields: Any
) -> dict[str, Any]:
    """Return the body of an error."""
    return {"error": {"message": message, "type": type_, "param": None, "code": None, **fields}}


def _call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def _call_deltas(index: int, id_: str, name: str, arguments: str) -> list[dict[str, Any]]:
    first = {"index": index, **_call(id_, name, "")}
    half = len(arguments) // 2
    parts = (arguments[:half], arguments[half:])
    return [first, *({"index": index, "function": {"arguments": part}} for part in parts)]


def _response_usage() -> dict[str, Any]:
    return {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    }


def _item_events(item: dict[str, Any], at: dict[str, int]) -> list[dict[str, Any]]:
    at = {**at, "item_id": item["id"]}
    if item["type"] == "function_call":
        kind = "response.function_call_arguments"
        said = item["arguments"]
        return [
            {"type": f"{kind}.delta", **at, "delta": said},
            {"type": f"{kind}.done", **at, "arguments": said, "name": item["name"]},
        ]
    part = item["content"][0]
    kind, field = ("output_text", "text") if "text" in part else ("refusal", "refusal")
    more: dict[str, Any] = {"logprobs": []} if field == "text" else {}
    at = {**at, "content_index": 0}
    return [
        {"type": "response.content_part.added", **at, "part": {**part, field: ""}},
        *(
            {"type": f"response.{kind}.delta", **at, "delta": piece, **more}
            for piece in pieces(part[field])
        ),
        {"type": f"response.{kind}.done", **at, field: part[field], **more},
        {"type": "response.content_part.done", **at, "part": part},
    ]


def _coded(row: list[float], encoding: str | None) -> Any:
    if encoding != "base64":
        return row
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()
