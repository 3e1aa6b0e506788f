"""Errors as replies: which status, which body, and that nobody is to try again by himself.

Decides what of an error a client of OpenAI's API gets to see. Retries and fallbacks lie behind an
error of ours, so all of them carry ``x-should-retry: false``. What was no answer at all (no
connection, a timeout, a cut stream) is no reply either, and is left to the face above.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from trunkline.errors import (
    APIConnectionError,
    APIError,
    BudgetExceededError,
    ConfigurationError,
    NoEligibleModelError,
    StorageError,
)

from .messages import JSON_TYPE, Reply

if TYPE_CHECKING:
    from trunkline.errors import TrunklineError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_OURS: tuple[tuple[type[TrunklineError], int, str], ...] = (
    (BudgetExceededError, 402, "budget_exceeded"),
    (NoEligibleModelError, 503, "no_eligible_model"),
    (ConfigurationError, 400, "invalid_request"),
    (StorageError, 500, "storage_error"),
)


_OF_A_BUDGET = ("scope", "limit", "spent", "held", "needed", "resets_at")


def reply_of(error: TrunklineError) -> Reply | None:
    """Return the reply that says an error, ``None`` for what was no answer."""
    if isinstance(error, APIConnectionError):
        return None
    status, code = _status_and_code(error)
    limits: dict[str, str] = getattr(error, "rate_limits", {})
    headers = {**limits, **JSON_TYPE, "x-should-retry": "false", **_told(error)}
    if (wait_s := getattr(error, "retry_after", None)) is not None:
        headers["retry-after"] = str(ceil(wait_s))
    return Reply(status, headers, to_json({"error": body_of(error, status, code)}))


def body_of(error: TrunklineError, status: int, code: str | None = None) -> dict[str, Any]:
    """Return what OpenAI's API says of an error, and no more: older SDKs print all of it."""
    said = {
        "message": getattr(error, "provider_message", None) or error.message,
        "type": getattr(error, "type", None) or _TYPES.get(status, "server_error"),
        "param": getattr(error, "param", None),
        "code": getattr(error, "code", None) or code,
    }
    if isinstance(error, BudgetExceededError):
        said["budget"] = {name: getattr(error, name) for name in _OF_A_BUDGET}
    return said


def _status_and_code(error: TrunklineError) -> tuple[int, str | None]:
    for kind, status, code in _OURS:
        if isinstance(error, kind):
            return status, code
    if isinstance(error, APIError) and error.status_code is None:
        return 502, "invalid_answer"  # the provider answered, but not with an answer
    return error.status_code or 500, None


def _told(error: TrunklineError) -> dict[str, str]:
    found = {
        "x-trunkline-routing-id": error.routing_id,
        "x-trunkline-provider": error.provider,
        "x-trunkline-model": error.model,
        "x-trunkline-attempts": str(len(error.attempts)),
        "x-request-id": error.request_id or error.routing_id,
    }
    return {name: value for name, value in found.items() if value and value.isascii()}
