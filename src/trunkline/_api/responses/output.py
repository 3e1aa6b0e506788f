"""The output of a response as it grows: which item a piece belongs to, and when it is told.

Decides that items are told one after the other, each ended before the next begins, as OpenAI does
and readers rely on. Chat knows no items, only pieces of one message, which may come in any order:
what comes before its turn waits. A whole message goes the same way, as one piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from trunkline.types.chat import ChatCompletionMessage, ToolCallDelta

from .items import Call, Message, Reasoning
from .reading import is_list, is_object, rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.types.chat import ChoiceDelta, ToolCall

    from .items import Item
    from .reading import JSON

_CITATION = {"start_index": int, "end_index": int, "title": str, "url": str}


class Output:
    """The items so far.

    Args:
        stem: What the ids of the items have in common.

    Attributes:
        items: Those that have ended.
    """

    def __init__(self, stem: str) -> None:
        self.items: list[JSON] = []
        self._stem = stem
        self._count = 0
        self._open: list[Item] = []  # the first is told, the others wait
        self._calls: dict[int, Call] = {}
        self._has_answer = False
        self._of_message: JSON = {}
        self._logprobs: list[JSON] = []  # of text that has not come yet

    def add(self, said: ChatCompletionMessage | ChoiceDelta, logprobs: Any) -> None:
        """Add a message, or a piece of one.

        Args:
            said: What came.
            logprobs: What its choice has under that name.
        """
        if logprobs is not None:
            self._logprobs += _tokens(logprobs)
        if said.reasoning_content:
            self._reasoning().add(said.reasoning_content)
        if said.content:
            logprobs, self._logprobs = self._logprobs, []
            self._message().say(said.content, logprobs)
        extra = said.__pydantic_extra__ or {}
        self._annotate(said, extra)
        if said.refusal:
            self._message().refuse(said.refusal)
        calls: Sequence[ToolCall | ToolCallDelta] = said.tool_calls or ()
        for number, call in enumerate(calls):
            # A whole call may have an index too, from servers that count wrongly.
            self._call(call.index if isinstance(call, ToolCallDelta) else number, call)
        if extra or said.audio is not None:
            self._keep(extra, said.audio)

    def take(self) -> list[JSON]:
        """Return the events that can be told now, in order."""
        events: list[JSON] = []
        while self._open:
            first = self._open[0]
            is_ended = len(self._open) > 1 and first.is_whole
            if is_ended:
                self.items.append(first.close("completed"))
                del self._open[0]
            events += first.take()
            if not is_ended:
                break
        return events

    def close(self, status: str) -> list[JSON]:
        """End an answer, and return the events that are left.

        One that says nothing is a message without words.

        Args:
            status: Of the response; its last item is the one that was cut.
        """
        if not self._has_answer:
            self._message().say("", [])
        if isinstance(last := self._open[-1], Message):
            last.annotate([], self._logprobs)
        return self._end_all(status)

    def cut(self) -> None:
        """End what there is where the stream broke off; nothing is told of that."""
        self._end_all("incomplete")

    def _end_all(self, status: str) -> list[JSON]:
        events: list[JSON] = []
        for number, item in enumerate(self._open, 1):
            is_last = number == len(self._open)
            of_message = self._of_message if is_last else None
            self.items.append(item.close(status if is_last else "completed", of_message))
            events += item.take()
        self._open = []
        return events

    def _reasoning(self) -> Reasoning:
        if self._open and isinstance(last := self._open[-1], Reasoning):
            return last
        item = Reasoning(self._stem, self._count)
        self._begin(item)
        return item

    def _message(self) -> Message:
        self._has_answer = True
        if self._open and isinstance(last := self._open[-1], Message):
            return last
        item = Message(self._stem, self._count)
        self._begin(item)
        return item

    def _call(self, number: int, said: ToolCall | ToolCallDelta) -> None:
        extra = said.__pydantic_extra__ or {}
        custom = extra.get("custom")
        told: JSON = custom if is_object(custom) else {}
        function = said.function
        name = told.get("name") or (function and function.name) or ""
        item = self._calls.get(number)
        if item is None:
            self._has_answer = True
            is_custom = said.type == "custom"
            item = Call(self._stem, self._count, said.id or "", name, is_custom=is_custom)
            self._calls[number] = item
            self._begin(item)
        piece = told.get("input") or (function and function.arguments) or ""
        item.add(piece, rest(extra, ("custom", "index")))

    def _begin(self, item: Item) -> None:
        self._count += 1
        self._open.append(item)

    def _keep(self, extra: JSON, audio: Any) -> None:
        """Keep what came beside the answer, for the way back; notes on its text stand there."""
        kept = {**rest(extra, ("annotations",)), "audio": audio}
        self._of_message |= {
            name: value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value
            for name, value in rest(kept, ()).items()
        }

    def _annotate(self, said: ChatCompletionMessage | ChoiceDelta, extra: JSON) -> None:
        given = extra.get("annotations")  # of a delta it is no field, but some have it
        if isinstance(said, ChatCompletionMessage):
            given = said.annotations
        if is_list(given) and self._open and isinstance(last := self._open[-1], Message):
            last.annotate([note for note in map(_citation, given) if note], [])


def _citation(given: Any) -> JSON:
    """Say a note on the text in a response's words, ``{}`` for one that has none there."""
    note: Any = given.model_dump() if isinstance(given, BaseModel) else given
    told = note.get("url_citation") if is_object(note) else None
    if not is_object(told):
        return {}
    if not all(isinstance(told.get(name), kind) for name, kind in _CITATION.items()):
        return {}
    return {"type": "url_citation", **{name: told[name] for name in _CITATION}}


def _tokens(given: Any) -> list[JSON]:
    """Return log-probabilities, those that are some; a token's bytes are told or are its text's."""
    tokens: Any = given.get("content") if is_object(given) else None
    if not is_list(tokens):
        return []
    return [
        {**token, "top_logprobs": [t for t in map(_token, _listed(entry)) if t]}
        for entry in tokens
        if (token := _token(entry))
    ]


def _listed(entry: JSON) -> list[Any]:
    top = entry.get("top_logprobs")
    return top if is_list(top) else []


def _token(entry: Any) -> JSON:
    if not is_object(entry) or not isinstance(token := entry.get("token"), str):
        return {}
    logprob, spelled = entry.get("logprob"), entry.get("bytes")
    if type(logprob) not in (int, float):
        return {}
    if not is_list(spelled):
        spelled = list(token.encode("utf-8", "surrogatepass"))
    return {"token": token, "logprob": logprob, "bytes": spelled}
