"""Asked, exchanges and answers for provider tests, with ids that count up."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from trunkline.catalog.models import Deployment, Model
from trunkline.providers.base import Asked, Exchange, Head, HttpResponse, Invoke, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trunkline.providers.base import HttpRequest
    from trunkline.types.chat import ChatCompletionChunk

CREATED = 1_700_000_000


def asked(model: str, provider: str = "openai", **fields: Any) -> Asked:
    """Make a call; ``params`` among the fields, ids are ``<prefix>0``, ``<prefix>1``, …"""
    numbers = itertools.count()
    params = {"messages": [{"role": "user", "content": "hi"}], **fields.pop("params", {})}
    return Asked(
        params={"stream": False, **params, "model": model},
        deployment=Deployment(provider, Model(model)),
        created=CREATED,
        new_id=lambda prefix: f"{prefix}{next(numbers)}",
        **fields,
    )


def exchange(model: str = "m", *, stream: bool = False, include_usage: bool = False) -> Exchange:
    """Make an exchange of its own."""
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    return asked(model, params={"stream": stream, **options}).exchange()


def response(
    body: bytes | str, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Make a whole answer."""
    return HttpResponse(status, headers or {}, body.encode() if isinstance(body, str) else body)


def cuts(body: bytes, size: int) -> Iterator[bytes]:
    """Cut a body into pieces of ``size`` bytes; 0 leaves it whole."""
    step = size or max(1, len(body))
    return (body[i : i + step] for i in range(0, len(body), step))


def run_decoder(decoder: Any, body: bytes, size: int = 0) -> list[ChatCompletionChunk]:
    """Feed a body in pieces and close."""
    chunks = [chunk for piece in cuts(body, size) for chunk in decoder.feed(piece)]
    return [*chunks, *decoder.close()]


def run_transport(provider: Any, request: HttpRequest) -> tuple[HttpResponse, float]:
    """Drive a transport in line; returns its answer and the seconds that passed."""
    steps = provider.transport(request)
    head, body, waited, result = None, b"", 0.0, None
    while True:
        try:
            step = steps.send(result)
        except StopIteration:
            break
        result = None
        if isinstance(step, Head):
            assert head is None
            head = step
        elif isinstance(step, Wait):
            waited += step.seconds
        elif isinstance(step, Invoke):
            result = step.fn()
        else:
            body += step
    assert head is not None
    return HttpResponse(head.status, head.headers, body), waited
