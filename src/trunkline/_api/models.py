"""``/models``: the names that can be asked for, as OpenAI's API lists models.

Decides how they are spelled: OpenAI's own bare, as everywhere in code written for it, the others
with their provider; ``auto`` and the aliases come first. Reaches no provider, unless all of them
are servers at addresses of their own, of which no catalogue knows: then they are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from pydantic_core import to_json

from trunkline import _models
from trunkline._settings import AUTO
from trunkline.errors import ConfigurationError, NotFoundError
from trunkline.providers.base import ListsModels

from .messages import JSON_TYPE, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings
    from trunkline.types.records import ModelInfo

    from .messages import JSON, ApiRequest

_OWN = "openai/"


async def models(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer ``GET /models``."""
    engine.require_provider()
    routed = () if _are_elsewhere(engine) else (AUTO, *engine.aliases)
    named = [_row(name, "trunkline") for name in routed]
    known = [_described(info) for info in await _known(engine, io, settings, request)]
    return Reply(200, JSON_TYPE, to_json({"object": "list", "data": [*named, *known]}))


async def model(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer ``GET /models/{model}``.

    Raises:
        NotFoundError: No provider here has a model of this name.
    """
    name = unquote(request.path.rstrip("/").removeprefix("/models/"))
    if name == AUTO or name in engine.aliases:
        return Reply(200, JSON_TYPE, to_json(_row(name, "trunkline")))
    if _are_elsewhere(engine):
        known = await _known(engine, io, settings, request)
        rows = [_described(info) for info in known if name in (info.id, info.id.partition("/")[2])]
        if not rows:
            raise NotFoundError(
                f"no provider here has a model {name!r}", code="model_not_found", sent=False
            )
        return Reply(200, JSON_TYPE, to_json({**rows[0], "id": name}))
    try:
        found = engine.resolve(name)
    except ConfigurationError as error:
        raise NotFoundError(error.message, code="model_not_found", sent=False) from error
    described = _described(_models.model_info(found.deployment, found.reason))
    return Reply(200, JSON_TYPE, to_json({**described, "id": name}))


async def _known(
    engine: Engine, io: IO, settings: Settings, request: ApiRequest
) -> Sequence[ModelInfo]:
    if not _are_elsewhere(engine):
        return _models.known(engine)
    options = {} if request.timeout is None else {"timeout": request.timeout}
    return await _models.live(io, engine, settings, options)


def _are_elsewhere(engine: Engine) -> bool:
    providers = engine.providers.values()
    return all(
        isinstance(p, ListsModels) and not getattr(p, "is_official", True) for p in providers
    )


def _described(info: ModelInfo) -> JSON:
    row = _row(info.id.removeprefix(_OWN), info.owned_by)
    return {**row, "trunkline": info}


def _row(name: str, owner: str) -> JSON:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
