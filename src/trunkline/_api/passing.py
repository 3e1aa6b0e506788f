"""Whatever we have no words for (files, images, audio, moderations, …), passed on to OpenAI.

Decides nothing but what of the answer's headers is handed on. Such calls go through the one door
like all others and are rows of the log; as nobody can bound their cost, a budget refuses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from trunkline import _pipeline
from trunkline._tasks import PASSED
from trunkline.errors import BudgetExceededError, NotFoundError
from trunkline.types.headers import handed_on, routing_headers

from .messages import Reply

if TYPE_CHECKING:
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings

    from .messages import ApiRequest


async def passed_on(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer with what OpenAI says.

    Raises:
        NotFoundError: There is no such path, no OpenAI provider, or a budget in scope.
    """
    name = _name_of(request.path)
    given = {
        "model": name,
        "method": request.method,
        "path": request.path,
        "content_type": request.content_type,
        "body": request.body,
        **request.steering(),
    }
    try:
        answer = await _pipeline.create(engine, io, settings, given, PASSED)
    except BudgetExceededError as refused:
        raise NotFoundError(
            f"{request.path} is passed on to OpenAI only where no budget is in scope, because "
            f"nobody can bound its cost ({refused.message})",
            code="not_under_a_budget",
            routing_id=refused.routing_id,
            sent=False,
        ) from refused
    response = answer.response
    headers = {**handed_on(response.headers), **routing_headers(answer.routing)}
    if (kind := response.headers.get("content-type")) is not None:
        headers["content-type"] = kind
    return Reply(response.status, headers, response.body)


def _name_of(path: str) -> str:
    """Return the first step of a path, by which the log and the budgets know the call.

    Raises:
        NotFoundError: It is none of an API.
    """
    name, *rest = unquote(path).removeprefix("/").split("/")
    if not name.replace("_", "").isalnum() or not name.isascii() or ".." in rest:
        raise NotFoundError(f"there is no path {path!r:.100} in OpenAI's API", sent=False)
    return name
