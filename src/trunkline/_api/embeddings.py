"""``/embeddings``: the vectors, as OpenAI's API writes them, and ``trunkline``, the routing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from trunkline import _pipeline
from trunkline._tasks import EMBEDDINGS
from trunkline.types.params import EMBEDDING_PARAMS

from .messages import Reply, told

if TYPE_CHECKING:
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings

    from .messages import ApiRequest


async def embeddings(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer ``POST /embeddings``."""
    given = request.given(request.json(), EMBEDDING_PARAMS)
    answer = await _pipeline.create(engine, io, settings, given, EMBEDDINGS)
    said = answer.model_dump()  # all fields: a few, and each is relied upon
    said["trunkline"] = answer.routing
    return Reply(200, told(answer), to_json(said))
