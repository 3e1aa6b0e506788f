"""The items of ``input`` as the messages of a chat.

Decides which items make one message: what an assistant thinks, says and calls in a row is one. What
a provider left on items for itself goes back to where it stood, on the message or on the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parts import heard, spoken, thought
from .reading import is_object, objects, refuse, rest, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .reading import JSON

OF_MESSAGE = "of_message"
"""Field of an output item that keeps what a provider left with the whole chat message."""

_HEARD = frozenset({"user", "system", "developer"})
# Of chat messages: what items say themselves, so that nothing left with them may replace it.
_SAID = frozenset({"role", "content", "refusal", "tool_calls", "reasoning_content"})
_OF_MESSAGES = ("type", "id", "role", "content", "status", "phase", OF_MESSAGE)
_OF_ITEMS = ("type", "id", "call_id", "status", "caller", "created_by", OF_MESSAGE)
_OF_CALLS = (*_OF_ITEMS, "name", "arguments", "input", "async", "async_", "parsed_arguments")
_OF_RESULTS = (*_OF_ITEMS, "name", "output")
_HOSTED = (
    "it tells of a tool that ran at OpenAI, or of OpenAI's own state; chat has no words for that. "
    "Leave it out, or say its result as a message"
)


def messages_of(given: Any, instructions: Any) -> list[JSON]:
    """Return the messages of a chat that say the same as ``input`` and ``instructions``.

    The instructions are the first message, of role ``system``: every model takes it, while
    ``developer`` is known to OpenAI's newer ones only, which read the two alike.

    Raises:
        BadRequestError: An item or part that chat cannot say, by its place.
    """
    conversation = _Conversation()
    if instructions is not None:
        if not isinstance(instructions, str):
            refuse("it must be a string", "instructions", "invalid_type")
        conversation.messages.append({"role": "system", "content": instructions})
    if isinstance(given, str):
        conversation.messages.append({"role": "user", "content": given})
    elif given is None:
        refuse("it is missing", "input", "missing_required_parameter")
    else:
        for number, item in enumerate(objects(given, "input")):
            conversation.take(item, f"input[{number}]")
    return conversation.messages


class _Conversation:
    """The messages so far."""

    def __init__(self) -> None:
        self.messages: list[JSON] = []
        self._turn: JSON | None = None  # the assistant's, while items may belong to it
        self._last = ""  # type of the item before

    def take(self, item: JSON, where: str) -> None:
        """Take the next item."""
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if not isinstance(kind, str):
            refuse("it must be a string", f"{where}.type", "invalid_type")
        if kind == "item_reference":
            refuse("nothing is stored here, so nothing can be referred to; send the item", where)
        take = _TAKERS.get(kind)
        if take is None:
            refuse(f"no item of type {kind[:60]!r} can be sent: {_HOSTED}", where)
        take(self, item, where)
        self._last = kind

    def message(self, item: JSON, where: str) -> None:
        """Take what somebody said."""
        role = text(item, "role", where)
        if role == "assistant":
            self._say(item, where)
            return
        if role not in _HEARD:
            refuse(f"unknown role {role[:60]!r}", f"{where}.role", "invalid_value")
        content = heard(item.get("content"), f"{where}.content")
        self._turn = None
        self.messages.append({"role": role, "content": content, **rest(item, _OF_MESSAGES)})

    def reasoning(self, item: JSON, where: str) -> None:  # noqa: ARG002  # nothing is refused
        """Take what an assistant thought; of what is encrypted, only its maker knows."""
        turn = self._assistant(item)
        if said := thought(item):
            turn["reasoning_content"] = turn.get("reasoning_content", "") + said

    def function_call(self, item: JSON, where: str) -> None:
        """Take a call of a function."""
        function = {n: text(item, n, where) for n in ("name", "arguments")}
        self._call(item, where, {"type": "function", "function": function})

    def custom_call(self, item: JSON, where: str) -> None:
        """Take a call of a tool that takes text."""
        custom = {n: text(item, n, where) for n in ("name", "input")}
        self._call(item, where, {"type": "custom", "custom": custom})

    def result(self, item: JSON, where: str) -> None:
        """Take what a tool returned."""
        call_id = text(item, "call_id", where)
        content = heard(item.get("output"), f"{where}.output")
        message = {"role": "tool", "tool_call_id": call_id, "content": content}
        self._turn = None
        self.messages.append(message | rest(item, _OF_RESULTS))

    def _say(self, item: JSON, where: str) -> None:
        if self._last == "message":  # two messages in a row are two
            self._turn = None
        content, refusal = spoken(item.get("content"), f"{where}.content")
        turn = self._assistant(item)
        turn |= rest(item, _OF_MESSAGES)
        if content or refusal is None:
            turn["content"] = _joined(turn["content"], content)
        if refusal is not None:
            turn["refusal"] = turn.get("refusal", "") + refusal

    def _call(self, item: JSON, where: str, call: JSON) -> None:
        whole = {"id": text(item, "call_id", where), **call, **rest(item, _OF_CALLS)}
        self._assistant(item).setdefault("tool_calls", []).append(whole)

    def _assistant(self, item: JSON) -> JSON:
        """Return the assistant's message that an item belongs to."""
        if self._turn is None:
            self._turn = {"role": "assistant", "content": None}
            self.messages.append(self._turn)
        if is_object(left := item.get(OF_MESSAGE)):
            self._turn |= rest(left, _SAID)
        return self._turn


def _joined(before: str | list[JSON] | None, more: str | list[JSON]) -> str | list[JSON]:
    """Put together what one message says in two items."""
    if not before:
        return more
    if isinstance(before, str) and isinstance(more, str):
        return before + more
    return [part for said in (before, more) for part in _as_parts(said)]


def _as_parts(content: str | list[JSON]) -> list[JSON]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


_TAKERS: dict[str, Callable[[_Conversation, JSON, str], None]] = {
    "message": _Conversation.message,
    "reasoning": _Conversation.reasoning,
    "function_call": _Conversation.function_call,
    "function_call_output": _Conversation.result,
    "custom_tool_call": _Conversation.custom_call,
    "custom_tool_call_output": _Conversation.result,
}
