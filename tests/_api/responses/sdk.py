"""Checks responses and their events by the genuine SDK, and by the grammar that readers rely on."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any, get_args

import openai
from openai.types.responses import Response, ResponseStreamEvent

from trunkline._api.responses import ResponseEvents, Wanted, read_request
from trunkline.types.chat import ChatCompletion, ChatCompletionChunk

JSON = dict[str, Any]

ID = "resp_0a1b"
CREATED = 1_700_000_000
_LIFE = ("response.created", "response.in_progress")
_ENDS = ("response.completed", "response.incomplete", "response.failed")
# Field of the delta's whole, by the event that ends it, and the item's field that holds it.
_WHOLES = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.reasoning_summary_text": "text",
}


@cache
def _models() -> dict[str, Any]:
    models = get_args(get_args(ResponseStreamEvent)[0])
    return {get_args(m.model_fields["type"].annotation)[0]: m for m in models}


def wanted(**body: Any) -> Wanted:
    """Read a request for a response."""
    return read_request({"model": "m", "input": "hi", **body})


def completion(
    finish_reason: str = "stop", usage: JSON | None = None, logprobs: Any = None, **message: Any
) -> ChatCompletion:
    """Make a whole answer."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "logprobs": logprobs,
        "message": {"role": "assistant", **message},
    }
    top = {"id": "chatcmpl-1", "created": CREATED, "model": "m-1", "choices": [choice]}
    return ChatCompletion.model_validate({**top, "usage": usage})


def chunks(*deltas: JSON, finish_reason: str = "stop") -> list[ChatCompletionChunk]:
    """Make a stream: a chunk for each delta, then one with the finish reason."""
    choices: list[JSON] = [{"index": 0, "delta": delta} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish_reason})
    top = {"id": "chatcmpl-1", "created": CREATED, "model": "m-1"}
    return [ChatCompletionChunk.model_validate({**top, "choices": [c]}) for c in choices]


def streamed(
    said: list[ChatCompletionChunk], asked: Wanted | None = None, usage: Any = None
) -> list[JSON]:
    """Return the checked events of a stream."""
    events = ResponseEvents(asked or wanted(stream=True), response_id=ID, created=CREATED)
    told = events.begin()
    for chunk in said:
        told += events.feed(chunk)
        usage = chunk.usage or usage
    told += events.end(usage)
    check_events(told)
    return told


def check_response(response: JSON) -> Response:
    """Assert that the SDK takes a response as one, strictly and after JSON."""
    Response.model_validate(response, strict=True)
    return Response.model_validate_json(json.dumps(response))


def check_events(events: list[JSON]) -> None:
    """Assert that the SDK takes each event as its own, and that all keep the grammar."""
    for number, event in enumerate(events):
        assert event["sequence_number"] == number
        _models()[event["type"]].model_validate(event, strict=True)
    assert tuple(e["type"] for e in events[:2]) == _LIFE
    assert events[-1]["type"] in _ENDS
    grammar = _Grammar()
    for event in events[2:-1]:
        grammar.read(event)
    final = events[-1]["response"]
    assert final["status"] == events[-1]["type"].removeprefix("response.")
    if final["status"] != "failed":
        assert grammar.item is None
        assert final["output"] == grammar.items


def rebuilt(events: list[JSON], **stream: Any) -> Any:
    """Return the final response that the SDK's own stream helper makes of events."""
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
    http = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__]  # httpx of 2.x, httpx2

    def answer(request: Any) -> Any:
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    transport = openai.DefaultHttpxClient(transport=http.MockTransport(answer))
    client = openai.OpenAI(api_key="k", http_client=transport)
    with client, client.responses.stream(model="m", input="hi", **stream) as told:
        seen = list(told)
        assert [e.type for e in seen] == [e["type"] for e in events]
        return told.get_final_response()


class _Grammar:
    """One item after the other, in it one part after the other, in it deltas and their whole."""

    def __init__(self) -> None:
        self.items: list[JSON] = []
        self.item: JSON | None = None
        self._part: JSON | None = None
        self._parts: list[JSON] = []
        self._deltas: list[str] = []
        self._whole: str | None = None

    def read(self, event: JSON) -> None:
        """Read the next event."""
        assert event["output_index"] == len(self.items)
        kind, _, what = event["type"].rpartition(".")
        if kind == "response.output_item":
            self._item(what, event["item"])
            return
        assert self.item is not None
        assert event["item_id"] == self.item["id"]
        place = event.get("content_index", event.get("summary_index"))
        assert place in (None, len(self._parts))
        if kind.endswith("_part"):
            self._part_of(what, event["part"])
        elif kind == "response.output_text.annotation":
            assert self._whole is None
        elif what == "delta":
            assert self._whole is None
            assert event["delta"]
            self._deltas.append(event["delta"])
        else:
            assert what == "done"
            self._whole = event[_WHOLES[kind]]
            assert self._whole == "".join(self._deltas)

    def _item(self, what: str, item: JSON) -> None:
        if what == "added":
            assert self.item is None
            assert item["status"] == "in_progress"
            self.item = item
            return
        assert self.item is not None
        assert what == "done"
        assert self._part is None
        names = ("id", "type", "call_id", "name", "role")
        assert [item.get(n) for n in names] == [self.item.get(n) for n in names]
        if "call_id" in item:
            assert self._whole == item.get("arguments", item.get("input"))
        else:
            assert self._parts == item.get("content", item.get("summary"))
        self.items.append(item)
        self.item, self._parts, self._deltas, self._whole = None, [], [], None

    def _part_of(self, what: str, part: JSON) -> None:
        text = part.get("text", part.get("refusal"))
        if what == "added":
            assert self._part is None
            assert text == ""
            self._part, self._deltas, self._whole = part, [], None
            return
        assert self._part is not None
        assert part["type"] == self._part["type"]
        assert self._whole == text
        self._parts.append(part)
        self._part = None
