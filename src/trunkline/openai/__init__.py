"""The ``openai`` package's clients over a Router in this process: change the import, keep the code.

``OpenAI`` and ``AsyncOpenAI`` are genuine subclasses of the SDK's classes, so whatever checks types
or patches classes works with them; each request is answered by a Router instead of the network: it
is held, routed, settled and logged. Every other public name of ``openai`` is here as it is there,
the module's own client (``openai.chat.completions.create``) included. Needs the extra ``openai``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import openai as _sdk
except ImportError as error:
    raise ImportError('trunkline.openai needs the SDK: pip install "trunkline[openai]"') from error

from ._clients import AsyncOpenAI, OpenAI

if TYPE_CHECKING:  # for type checkers by name; at run time all of them come from ``__getattr__``
    from openai import (
        DEFAULT_MAX_RETRIES,
        DEFAULT_TIMEOUT,
        NOT_GIVEN,
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AsyncStream,
        AuthenticationError,
        BadRequestError,
        BaseModel,
        ConflictError,
        ContentFilterFinishReasonError,
        DefaultAsyncHttpxClient,
        DefaultHttpxClient,
        InternalServerError,
        LengthFinishReasonError,
        NotFoundError,
        NotGiven,
        Omit,
        OpenAIError,
        PermissionDeniedError,
        RateLimitError,
        Stream,
        Timeout,
        UnprocessableEntityError,
        not_given,
        omit,
        pydantic_function_tool,
        types,
    )

Client = OpenAI
AsyncClient = AsyncOpenAI

__all__ = [  # noqa: RUF022  # ours, then the SDK's
    "AsyncClient", "AsyncOpenAI", "Client", "OpenAI",
    "APIConnectionError", "APIError", "APIResponseValidationError", "APIStatusError",
    "APITimeoutError", "AsyncStream", "AuthenticationError", "BadRequestError", "BaseModel",
    "ConflictError", "ContentFilterFinishReasonError", "DEFAULT_MAX_RETRIES", "DEFAULT_TIMEOUT",
    "DefaultAsyncHttpxClient", "DefaultHttpxClient", "InternalServerError",
    "LengthFinishReasonError", "NOT_GIVEN", "NotFoundError", "NotGiven", "Omit", "OpenAIError",
    "PermissionDeniedError", "RateLimitError", "Stream", "Timeout", "UnprocessableEntityError",
    "not_given", "omit", "pydantic_function_tool", "types",
]  # fmt: skip

# Their clients would go to the network past every budget.
_NOT_SERVED = ("AzureOpenAI", "AsyncAzureOpenAI", "BedrockOpenAI", "AsyncBedrockOpenAI")


def __getattr__(name: str) -> Any:
    if name in _NOT_SERVED:
        raise AttributeError(
            f"trunkline.openai has no {name}: give a Router an OpenAIProvider with the base_url "
            "and default_headers of that service, or take openai's own, which no budget covers"
        )
    from ._module import setting_or_resource

    return setting_or_resource(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for name in dir(_sdk) if name not in _NOT_SERVED)})
