"""``/models``: the names that can be asked for, as OpenAI's API lists models.

Decides how they are spelled: OpenAI's own bare, as everywhere in code written for it, the others
with their provider; ``auto`` and the aliases come first. Reaches no provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from pydantic_core import to_json

from trunkline import _models
from trunkline._settings import AUTO
from trunkline.errors import ConfigurationError, NotFoundError

from .messages import JSON_TYPE, Reply

if TYPE_CHECKING:
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings
    from trunkline.types.records import ModelInfo

    from .messages import JSON, ApiRequest

_OWN = "openai/"


async def models(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:  # noqa: ARG001  # every path's shape
    """Answer ``GET /models``."""
    engine.require_provider()
    named = [_row(name, "trunkline") for name in (AUTO, *engine.aliases)]
    known = [_described(info) for info in _models.known(engine)]
    return Reply(200, JSON_TYPE, to_json({"object": "list", "data": [*named, *known]}))


async def model(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:  # noqa: ARG001  # every path's shape
    """Answer ``GET /models/{model}``.

    Raises:
        NotFoundError: No provider here has a model of this name.
    """
    name = unquote(request.path.removeprefix("/models/"))
    if name == AUTO or name in engine.aliases:
        return Reply(200, JSON_TYPE, to_json(_row(name, "trunkline")))
    try:
        found = engine.resolve(name)
    except ConfigurationError as error:
        raise NotFoundError(error.message, code="model_not_found", sent=False) from error
    described = _described(_models.model_info(found.deployment, found.reason))
    return Reply(200, JSON_TYPE, to_json({**described, "id": name}))


def _described(info: ModelInfo) -> JSON:
    row = _row(info.id.removeprefix(_OWN), info.owned_by)
    return {**row, "trunkline": info}


def _row(name: str, owner: str) -> JSON:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
