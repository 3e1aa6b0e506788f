"""A streamed chat as the events of a response.

Decides how the stream begins and ends, and numbers its events; those of the items are ``items``'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import ending, response_object, stem_of, tier, usage_object
from .output import Output
from .reading import rest

if TYPE_CHECKING:
    from trunkline.types.chat import ChatCompletionChunk, Usage

    from .reading import JSON
    from .requests import Wanted

# Of the codes that a response's type knows, those that anything of ours may end with.
_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt"})


class ResponseEvents:
    """The events of one streamed response, in order: ``begin``, ``feed``, then ``end`` or ``fail``.

    Args:
        wanted: The request it answers.
        response_id: The ids of the output items are made from it.
        created: UTC epoch seconds.
    """

    def __init__(self, wanted: Wanted, *, response_id: str, created: int) -> None:
        self._response = response_object(wanted, response_id=response_id, created=created)
        self._output = Output(stem_of(response_id))
        self._number = 0
        self._finish: str | None = None

    def begin(self) -> list[JSON]:
        """Return the events that come before any content."""
        return self._numbered([self._state("created"), self._state("in_progress")])

    def feed(self, chunk: ChatCompletionChunk) -> list[JSON]:
        """Return the events of a chunk, of its first choice: responses have no others."""
        self._response["model"] = chunk.model
        if chunk.service_tier is not None:
            self._response["service_tier"] = tier(chunk.service_tier)
        for choice in chunk.choices:
            if choice.index == 0:
                self._output.add(choice.delta, choice.logprobs)
                self._finish = choice.finish_reason or self._finish
        return self._numbered(self._output.take())

    def end(self, usage: Usage | None, trunkline: object = None) -> list[JSON]:
        """Return the events that end the items and the response.

        Args:
            usage: Of the whole exchange; unknown is null.
            trunkline: How the answer came about, under that key; left out if ``None``.
        """
        ended = ending(self._finish)
        events = self._output.close(ended["status"])
        self._response |= {
            **ended,
            "output": self._output.items,
            "usage": usage_object(usage),
            **rest({"trunkline": trunkline}, ()),
        }
        return self._numbered([*events, self._state(ended["status"])])

    def fail(self, code: str, message: str) -> list[JSON]:
        """Return the event of a response that failed on the way, with what it said so far.

        Args:
            code: One that a response does not know is ``server_error``.
            message: What happened.
        """
        self._output.cut()
        error = {"code": code if code in _CODES else "server_error", "message": message}
        self._response |= {"status": "failed", "error": error, "output": self._output.items}
        return self._numbered([self._state("failed")])

    def _state(self, kind: str) -> JSON:
        return {"type": f"response.{kind}", "response": dict(self._response)}

    def _numbered(self, events: list[JSON]) -> list[JSON]:
        for event in events:
            event["sequence_number"] = self._number
            self._number += 1
        return events
