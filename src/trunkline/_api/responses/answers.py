"""A completion as a response, and the object that whole answers and events have in common.

Decides the fields of a response around its output: status, usage, what it tells of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .output import Output
from .reading import rest

if TYPE_CHECKING:
    from trunkline.types.chat import ChatCompletion, Usage

    from .reading import JSON
    from .requests import Wanted

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
# Of the response's type; providers other than OpenAI have words of their own.
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def whole_response(
    wanted: Wanted,
    completion: ChatCompletion,
    *,
    response_id: str,
    created: int,
    trunkline: object = None,
) -> JSON:
    """Say a completion as a response, ready to be written as JSON.

    Args:
        wanted: The request it answers.
        completion: Its first choice is the answer; responses have no others.
        response_id: The ids of the output items are made from it.
        created: UTC epoch seconds.
        trunkline: How the answer came about, under that key; left out if ``None``.
    """
    choice = completion.choices[0]
    output = Output(stem_of(response_id))
    output.add(choice.message, choice.logprobs)
    ended = ending(choice.finish_reason)
    output.close(ended["status"])
    return {
        **response_object(wanted, response_id=response_id, created=created),
        **ended,
        "model": completion.model,
        "output": output.items,
        "service_tier": tier(completion.service_tier),
        "usage": usage_object(completion.usage),
        **rest({"trunkline": trunkline}, ()),
    }


def stem_of(response_id: str) -> str:
    """Return the part of a response's id that those of its items share."""
    return response_id.removeprefix("resp_")


def response_object(wanted: Wanted, *, response_id: str, created: int) -> JSON:
    """Return a response of which nothing is known but the request."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": wanted.chat["model"],
        "output": [],
        "service_tier": None,
        "usage": None,
        **wanted.echoed,
    }


def ending(finish_reason: str | None) -> JSON:
    """Return the fields that say how a response ended; one without a word was cut."""
    reason = _INCOMPLETE.get(finish_reason or "length")
    return {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
    }


def tier(given: Any) -> str | None:
    """Return a service tier that responses know."""
    return given if given in _TIERS else None


def usage_object(usage: Usage | None) -> JSON | None:
    """Say a usage in a response's words; what a provider bills beside the counts stays."""
    if usage is None:
        return None
    return {
        **rest(usage.model_extra or {}, ()),
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
