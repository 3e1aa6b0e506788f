"""trunkline: an in-process LLM router with the OpenAI SDK's face.

Names are loaded at first use, so that importing costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._event_streams import AsyncChatCompletionStream, ChatCompletionStream
    from ._raw import RawResponse
    from ._router import AsyncRouter, Router
    from ._schemas import pydantic_function_tool
    from ._streams import AsyncStream, Stream
    from .catalog.models import Model
    from .errors import (
        AccessDeniedError,
        AnswerMismatchError,
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        BudgetExceededError,
        ConfigurationError,
        ConflictError,
        ContentFilterFinishReasonError,
        FeedbackError,
        InternalServerError,
        LengthFinishReasonError,
        LimitExceededError,
        NoEligibleModelError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        Refused,
        StorageError,
        StreamInterruptedError,
        TrunklineError,
        UnparsedAnswerError,
        UnprocessableEntityError,
    )
    from .types.chat import ChatCompletion, ChatCompletionChunk, Usage
    from .types.embeddings import CreateEmbeddingResponse
    from .types.parsed import ParsedChatCompletion
    from .types.records import BudgetStatus, Compatibility, HoldRecord, ModelInfo, UsageRecord
    from .types.routing import (
        Actual,
        Attempt,
        Candidate,
        Decision,
        Objective,
        Prediction,
        RouteOptions,
        Routing,
    )
    from .types.table import Table

_HOMES = {
    "_event_streams": ("AsyncChatCompletionStream", "ChatCompletionStream"),
    "_raw": ("RawResponse",),
    "_router": ("AsyncRouter", "Router"),
    "_schemas": ("pydantic_function_tool",),
    "_streams": ("AsyncStream", "Stream"),
    "catalog.models": ("Model",),
    "errors": (
        "AccessDeniedError",
        "AnswerMismatchError",
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "BudgetExceededError",
        "ConfigurationError",
        "ConflictError",
        "ContentFilterFinishReasonError",
        "FeedbackError",
        "InternalServerError",
        "LengthFinishReasonError",
        "LimitExceededError",
        "NoEligibleModelError",
        "NotFoundError",
        "PermissionDeniedError",
        "RateLimitError",
        "Refused",
        "StorageError",
        "StreamInterruptedError",
        "TrunklineError",
        "UnparsedAnswerError",
        "UnprocessableEntityError",
    ),
    "types.chat": ("ChatCompletion", "ChatCompletionChunk", "Usage"),
    "types.embeddings": ("CreateEmbeddingResponse",),
    "types.parsed": ("ParsedChatCompletion",),
    "types.records": ("BudgetStatus", "Compatibility", "HoldRecord", "ModelInfo", "UsageRecord"),
    "types.routing": (
        "Actual",
        "Attempt",
        "Candidate",
        "Decision",
        "Objective",
        "Prediction",
        "RouteOptions",
        "Routing",
    ),
    "types.table": ("Table",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AccessDeniedError",
    "Actual",
    "AnswerMismatchError",
    "AsyncChatCompletionStream",
    "AsyncRouter",
    "AsyncStream",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "BudgetStatus",
    "Candidate",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionStream",
    "Compatibility",
    "ConfigurationError",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "CreateEmbeddingResponse",
    "Decision",
    "FeedbackError",
    "HoldRecord",
    "InternalServerError",
    "LengthFinishReasonError",
    "LimitExceededError",
    "Model",
    "ModelInfo",
    "NoEligibleModelError",
    "NotFoundError",
    "Objective",
    "ParsedChatCompletion",
    "PermissionDeniedError",
    "Prediction",
    "RateLimitError",
    "RawResponse",
    "Refused",
    "RouteOptions",
    "Router",
    "Routing",
    "StorageError",
    "Stream",
    "StreamInterruptedError",
    "Table",
    "TrunklineError",
    "UnparsedAnswerError",
    "UnprocessableEntityError",
    "Usage",
    "UsageRecord",
    "__version__",
    "pydantic_function_tool",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
