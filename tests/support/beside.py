"""The same bytes answered to the genuine SDK and to both of our routers, and what each makes of it.

A way asks one of them; what it returns is plain, so that the ways can be compared.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from tests.support.faces import HELLO, PRICES

import trunkline
from trunkline import AnswerMismatchError, AsyncRouter, Model, Router
from trunkline.providers import OpenAIProvider
from trunkline.providers.base import Head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trunkline.providers.base import HttpRequest

OURS = ("router", "async router")
REQUEST_ID = "req-7"


class Answering(OpenAIProvider):
    """Answers every request with the same bytes, in this process.

    Attributes:
        asked: The bodies of the requests.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(
            "p",
            base_url="http://localhost:9/v1",
            api_key="k",
            models=[Model("m", max_output=1000, **PRICES)],
            section=None,
        )
        self.body = body
        self.asked: list[Any] = []

    def transport(self, request: HttpRequest) -> Iterator[Any]:
        """Answer; see ``base.HasTransport``."""
        self.asked.append(from_json(request.body))
        yield Head(200, {"x-request-id": REQUEST_ID})
        yield self.body


@dataclass
class Heard:
    """What one way made of an answer.

    Attributes:
        asked: The body of the request.
        events: What a stream yielded, each as a dict, with the snapshot as it was then.
        answer: What ``parse`` or ``get_final_completion`` returned, as a dict.
        error: Name of the error that came instead.
        completion: The choices that the error holds.
    """

    asked: Any = None
    events: list[Any] = field(default_factory=list[Any])
    answer: Any = None
    error: str | None = None
    completion: Any = None


def genuine(body: bytes, asked: list[Any]) -> openai.OpenAI:
    """Return the SDK's client over a transport that answers with ``body``."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(from_json(request.content))
        kind = "text/event-stream" if asked[-1].get("stream") else "application/json"
        headers = {"content-type": kind, "x-request-id": REQUEST_ID}
        return httpx2.Response(200, headers=headers, content=body)

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://localhost:9/v1", http_client=client)


def parse(way: str, body: bytes, **params: Any) -> Heard:
    """Let one way ``parse`` an answer."""
    heard = Heard()
    asked: list[Any] = []
    try:
        heard.answer = _plain(_parsed(way, body, asked, _given(way, params)))
    except Exception as error:  # noqa: BLE001  # which one it is, is what is compared
        _note(heard, error)
    heard.asked = asked[-1] if asked else None
    return heard


def stream(way: str, body: bytes, **params: Any) -> Heard:
    """Let one way ``stream`` an answer to its end."""
    heard = Heard()
    asked: list[Any] = []
    given = _given(way, params)
    try:
        if way == "async router":
            asyncio.run(_listen_async(_provider(body, asked), given, heard))
        else:
            _listen(way, body, asked, given, heard)
    except Exception as error:  # noqa: BLE001  # as above
        _note(heard, error)
    heard.asked = asked[-1] if asked else None
    return heard


def _given(way: str, params: dict[str, Any]) -> dict[str, Any]:
    """Make tools of models, each way with its own function."""
    given = {"messages": HELLO, **params}
    make = openai.pydantic_function_tool if way == "sdk" else trunkline.pydantic_function_tool
    if "tools" in params:
        given["tools"] = [make(t) if isinstance(t, type) else t for t in params["tools"]]
    return given


def _provider(body: bytes, asked: list[Any]) -> Answering:
    provider = Answering(body)
    provider.asked = asked
    return provider


def _parsed(way: str, body: bytes, asked: list[Any], given: dict[str, Any]) -> Any:
    if way == "sdk":
        with genuine(body, asked) as client:
            return client.chat.completions.parse(model="m", **given)
    provider = _provider(body, asked)
    if way == "router":
        with Router(providers=[provider], store=":memory:") as router:
            return router.chat.completions.parse(model="p/m", **given)

    async def ask() -> Any:
        async with AsyncRouter(providers=[provider], store=":memory:") as router:
            return await router.chat.completions.parse(model="p/m", **given)

    return asyncio.run(ask())


def _listen(way: str, body: bytes, asked: list[Any], given: dict[str, Any], heard: Heard) -> None:
    manager: Any
    if way == "sdk":
        manager = genuine(body, asked).chat.completions.stream(model="m", **given)
    else:
        router = Router(providers=[_provider(body, asked)], store=":memory:")
        manager = router.chat.completions.stream(model="p/m", **given)
    with manager as events:
        for event in events:
            heard.events.append(_plain_event(event))
        heard.answer = _plain(events.get_final_completion())


async def _listen_async(provider: Answering, given: dict[str, Any], heard: Heard) -> None:
    router = AsyncRouter(providers=[provider], store=":memory:")
    async with router.chat.completions.stream(model="p/m", **given) as events:
        async for event in events:
            heard.events.append(_plain_event(event))
        heard.answer = _plain(await events.get_final_completion())


def _note(heard: Heard, error: Exception) -> None:
    # Ours is a class of our tree, which holds the answer; the SDK lets through what reading raises.
    is_mismatch = isinstance(error, ValidationError | JSONDecodeError | AnswerMismatchError)
    heard.error = "mismatch" if is_mismatch else type(error).__name__
    completion = getattr(error, "completion", None)
    if completion is not None:
        heard.completion = [_plain_choice(choice, read=False) for choice in completion.choices]
    if isinstance(error, trunkline.UnparsedAnswerError):
        assert completion is not None
        assert completion.routing.id == error.routing_id


def _plain_event(event: Any) -> dict[str, Any]:
    names = [name for name in type(event).model_fields if name not in ("chunk", "snapshot")]
    told = {name: _value(getattr(event, name)) for name in names}
    if event.type == "chunk":
        told["chunk"] = _said(event.chunk.to_dict())
        told["snapshot"] = [_plain_choice(choice) for choice in event.snapshot.choices]
    elif hasattr(event, "snapshot"):
        told["snapshot"] = _value(event.snapshot)
    return told


def _said(value: Any) -> Any:
    """Leave null fields out: a piece of a call has its id spelt out as null here."""
    if isinstance(value, dict):
        return {name: _said(item) for name, item in value.items() if item is not None}
    return [_said(item) for item in value] if isinstance(value, list) else value


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value]
    # Log probabilities are objects there and JSON here; a caller's type is itself in both.
    return value.to_dict() if hasattr(value, "to_dict") else value


def _plain(completion: Any) -> dict[str, Any]:
    top = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
    usage = completion.usage
    return {
        **{name: getattr(completion, name) for name in top},
        "usage": None if usage is None else usage.to_dict(),
        "choices": [_plain_choice(choice) for choice in completion.choices],
    }


def _plain_choice(choice: Any, *, read: bool = True) -> dict[str, Any]:
    message, logprobs = choice.message, choice.logprobs
    if isinstance(logprobs, BaseModel):
        logprobs = logprobs.model_dump(exclude_unset=True)
    return {
        "index": choice.index,
        "finish_reason": choice.finish_reason,
        "logprobs": {name: list(t) for name, t in (logprobs or {}).items() if t is not None},
        "content": message.content or None,  # where there are only calls ours is null, as OpenAI's
        "refusal": message.refusal,
        "parsed": message.parsed if read else None,
        "calls": [_plain_call(call, read=read) for call in message.tool_calls or ()],
    }


def _plain_call(call: Any, *, read: bool) -> Any:
    function = call.function
    parsed = function.parsed_arguments if read else None
    return (call.id, call.type, function.name, function.arguments, parsed)
