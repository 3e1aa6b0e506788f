"""The ``openai`` package's clients over a Router in this process: change the import, keep the code.

``OpenAI`` and ``AsyncOpenAI`` are genuine subclasses of the SDK's classes, so whatever checks types
or patches classes works with them; each request is answered by a Router instead of the network: it
is held, routed, settled and logged. Every other public name of ``openai`` is here as it is there.
Needs the extra ``openai``.
"""

from __future__ import annotations

from typing import Any

try:
    from openai import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]  # as said above
except ImportError as error:
    raise ImportError('trunkline.openai needs the SDK: pip install "trunkline[openai]"') from error

from ._clients import AsyncOpenAI, OpenAI

Client = OpenAI  # type: ignore[misc]  # in the place of the SDK's own
AsyncClient = AsyncOpenAI  # type: ignore[misc]  # likewise

# Their clients would go to the network past every budget.
_NOT_SERVED = ("AzureOpenAI", "AsyncAzureOpenAI", "BedrockOpenAI", "AsyncBedrockOpenAI")
for _name in _NOT_SERVED:
    globals().pop(_name, None)


def __getattr__(name: str) -> Any:
    if name in _NOT_SERVED:
        raise AttributeError(
            f"trunkline.openai has no {name}: give a Router an OpenAIProvider with the base_url "
            "and default_headers of that service, or take openai's own, which no budget covers"
        )
    from ._module import setting_or_resource

    return setting_or_resource(name)
