"""Which function answers which path of OpenAI's API, and what is done with the rest.

Decides by method and path alone. Chat, the older completions, responses, embeddings and models are
answered here, whichever provider serves them; all else is passed on to OpenAI where it may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.errors import TrunklineError

from .chat import chat
from .completions import completions
from .embeddings import embeddings
from .faults import reply_of
from .models import model, models
from .passing import passed_on
from .responses_path import responses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings

    from .messages import ApiRequest, Reply

    Answer = Callable[[Engine, IO, Settings, ApiRequest], Awaitable[Reply]]

ANSWERED: dict[tuple[str, str], Answer] = {
    ("POST", "/chat/completions"): chat,
    ("POST", "/completions"): completions,
    ("POST", "/responses"): responses,
    ("POST", "/embeddings"): embeddings,
    ("GET", "/models"): models,
}


async def serve(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer one request; an error that is an answer becomes a reply.

    Raises:
        APIConnectionError: There was no answer: no connection, a timeout, a cut stream.
    """
    try:
        return await _answer_for(request)(engine, io, settings, request)
    except TrunklineError as error:
        if (reply := reply_of(error)) is None:
            raise
        return reply


def _answer_for(request: ApiRequest) -> Answer:
    path = request.path.rstrip("/")  # what is answered here is never passed on for a slash
    if request.method == "GET" and path.startswith("/models/"):
        return model
    return ANSWERED.get((request.method, path), passed_on)
