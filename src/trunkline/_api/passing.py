"""Whatever we have no words for (files, images, audio, moderations, …), passed on to OpenAI.

Decides nothing but what of the answer's headers is handed on. Such calls go through the one door
like all others and are rows of the log; as nobody can bound their cost, a budget refuses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from pydantic_core import to_json

from trunkline import _management, _pipeline
from trunkline._tasks import PASSED
from trunkline.errors import BudgetExceededError, NotFoundError
from trunkline.types.headers import handed_on, routing_headers

from .messages import Reply

if TYPE_CHECKING:
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO, ByteSource
    from trunkline._settings import Settings

    from .messages import JSON, ApiRequest


async def passed_on(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer with what OpenAI says.

    Raises:
        NotFoundError: There is no such path, no OpenAI provider, or a budget in scope.
    """
    await _refuse_model_budgets(engine, io, request)
    body, routed = _parted(request)
    given = {
        "model": _name_of(request.path),
        "method": request.method,
        "path": request.path,
        "content_type": request.content_type,
        "body": body,
        **request.steering(),
        **routed,
    }
    try:
        answer = await _pipeline.create(engine, io, settings, given, PASSED)
    except BudgetExceededError as refused:
        raise _under_budget(request, refused.message, refused.routing_id) from refused
    source = answer.source
    headers = {**handed_on(source.headers), **routing_headers(answer.routing)}
    headers.pop("x-trunkline-cost-usd", None)  # it is not known, which is not nothing
    if (kind := source.headers.get("content-type")) is not None:
        headers["content-type"] = kind
    return Reply(source.status, headers, Unread(source))


class Unread:
    """A body that is handed on as it comes: see ``messages.Streamed``."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source

    async def next_bytes(self) -> bytes:
        """Return the next bytes, ``b""`` at the end.

        Raises:
            APIConnectionError: The answer was cut, or came too slowly.
        """
        return await self._source.read()

    async def finish(self) -> None:
        """Release the connection."""
        await self._source.close()

    def __del__(self) -> None:
        if (source := getattr(self, "_source", None)) is not None:
            source.abort()


async def _refuse_model_budgets(engine: Engine, io: IO, request: ApiRequest) -> None:
    """Refuse where a model of OpenAI's has a budget: which one is asked stands where we cannot see.

    Raises:
        NotFoundError: There is such a budget.
    """
    for row in await _management.budget_status(io, engine, None):
        if row.scope.startswith(("model:openai/", "model:*/")):
            raise _under_budget(request, f"budget {row.scope} per {row.per}", None)


def _under_budget(request: ApiRequest, why: str, routing_id: str | None) -> NotFoundError:
    return NotFoundError(
        f"{request.path} is passed on to OpenAI only where no budget is in scope, because nobody "
        f"can bound its cost ({why})",
        code="not_under_a_budget",
        routing_id=routing_id,
        sent=False,
    )


def _parted(request: ApiRequest) -> tuple[bytes, JSON]:
    """Return the body as OpenAI takes it, and the routing that was asked for in it."""
    if b'"trunkline"' not in request.body or "json" not in request.content_type:
        return request.body, {}
    body = request.json()
    if (route := body.pop("trunkline", None)) is None:
        return request.body, {}
    return to_json(body), {"extra_body": {"trunkline": route}}


def _name_of(path: str) -> str:
    """Return the first step of a path, by which the log and the budgets know the call.

    Raises:
        NotFoundError: It is none of an API.
    """
    name, *rest = unquote(path).removeprefix("/").split("/")
    if not name.replace("_", "").isalnum() or not name.isascii() or ".." in rest:
        raise NotFoundError(f"there is no path {path!r:.100} in OpenAI's API", sent=False)
    return name
