"""The output items of a response, each growing by pieces, with the events that tell of it.

Decides the events of one item, from ``output_item.added`` to ``output_item.done``, and the item
that they add up to. Which piece belongs to which item, and when its events may be told, is
``output``'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from .conversations import OF_MESSAGE

if TYPE_CHECKING:
    from .reading import JSON


class Item:
    """One output item.

    Attributes:
        index: Its place in the output.
        events: What is to be told of it and was not taken yet.
        extra: What a provider left with it: fields of their own names.
    """

    def __init__(self, prefix: str, stem: str, index: int, **begun: Any) -> None:
        self.id = f"{prefix}_{stem}_{index}"
        self.index = index
        self.events: list[JSON] = []
        self.extra: JSON = {}
        self.begun: JSON = {"id": self.id, **begun}
        item = {**self.begun, "status": "in_progress"}
        self.events.append(
            {"type": "response.output_item.added", "output_index": index, "item": item}
        )

    @property
    def is_whole(self) -> bool:
        """Whether it ends where the next item begins."""
        return True

    def take(self) -> list[JSON]:
        """Return the events that are new."""
        events, self.events = self.events, []
        return events

    def close(self, status: str, of_message: JSON | None = None) -> JSON:
        """End it, and return it.

        Args:
            status: ``"completed"`` or ``"incomplete"``.
            of_message: What a provider left with the whole message.
        """
        item = {**self.extra, **self.begun, "status": status, **self.ended()}
        if of_message:
            item[OF_MESSAGE] = of_message
        self.events.append(
            {"type": "response.output_item.done", "output_index": self.index, "item": item}
        )
        return item

    def ended(self) -> JSON:
        """End its parts, and return what it holds."""
        raise NotImplementedError

    def tell(self, kind: str, **said: Any) -> None:
        """Tell something of it."""
        event = {"type": f"response.{kind}", "item_id": self.id, "output_index": self.index}
        self.events.append(event | said)


class Reasoning(Item):
    """What the model thought, as one summary."""

    def __init__(self, stem: str, index: int) -> None:
        super().__init__("rs", stem, index, type="reasoning", summary=[])
        self._pieces: list[str] = []
        self._tell_part("added", "")

    def add(self, piece: str) -> None:
        """Add a piece of thought."""
        self._pieces.append(piece)
        self.tell("reasoning_summary_text.delta", summary_index=0, delta=piece)

    def ended(self) -> JSON:
        """End the summary."""
        whole = "".join(self._pieces)
        self.tell("reasoning_summary_text.done", summary_index=0, text=whole)
        return {"summary": [self._tell_part("done", whole)]}

    def _tell_part(self, what: str, text: str) -> JSON:
        part = {"type": "summary_text", "text": text}
        self.tell(f"reasoning_summary_part.{what}", summary_index=0, part=part)
        return part


class Message(Item):
    """What the model said: parts of text and of refusal, one after the other."""

    def __init__(self, stem: str, index: int) -> None:
        super().__init__("msg", stem, index, type="message", role="assistant", content=[])
        self._content: list[JSON] = []
        self._kind = ""  # of the part that grows
        self._pieces: list[str] = []
        self._logprobs: list[JSON] = []
        self._annotations: list[JSON] = []

    def say(self, piece: str, logprobs: list[JSON]) -> None:
        """Add a piece of text, ``""`` too: it begins the part."""
        self._open("output_text")
        if piece:
            self._logprobs += logprobs
            self._pieces.append(piece)
            self._tell("output_text.delta", delta=piece, logprobs=logprobs)

    def refuse(self, piece: str) -> None:
        """Add a piece of refusal."""
        self._open("refusal")
        self._pieces.append(piece)
        self._tell("refusal.delta", delta=piece)

    def annotate(self, annotations: list[JSON], logprobs: list[JSON]) -> None:
        """Add what is told of the text when it ends."""
        self._annotations += annotations
        self._logprobs += logprobs

    def ended(self) -> JSON:
        """End the part that grows."""
        self._close()
        return {"content": self._content}

    def _open(self, kind: str) -> None:
        if kind == self._kind:
            return
        self._close()
        self._kind = kind
        self._tell("content_part.added", part=self._part(""))

    def _close(self) -> None:
        if not self._kind:
            return
        whole = "".join(self._pieces)
        part = self._part(whole)
        if self._kind == "refusal":
            self._tell("refusal.done", refusal=whole)
        else:
            for number, note in enumerate(self._annotations):
                self._tell("output_text.annotation.added", annotation_index=number, annotation=note)
            self._tell("output_text.done", text=whole, logprobs=self._logprobs)
        self._tell("content_part.done", part=part)
        self._content.append(part)
        self._kind, self._pieces, self._logprobs, self._annotations = "", [], [], []

    def _part(self, text: str) -> JSON:
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {
            "type": "output_text",
            "text": text,
            "annotations": self._annotations if text else [],
            "logprobs": self._logprobs if text else [],
        }

    def _tell(self, kind: str, **said: Any) -> None:
        self.tell(kind, content_index=len(self._content), **said)


class Call(Item):
    """A call of a function, or of a custom tool, which takes text."""

    def __init__(self, stem: str, index: int, call_id: str, name: str, *, is_custom: bool) -> None:
        self._field = "input" if is_custom else "arguments"
        self._told = "custom_tool_call_input" if is_custom else "function_call_arguments"
        kind = "custom_tool_call" if is_custom else "function_call"
        named: JSON = {"type": kind, "call_id": call_id, "name": name, self._field: ""}
        super().__init__("ctc" if is_custom else "fc", stem, index, **named)
        self._pieces: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are an object, to which nothing can be added.

        Some calls get theirs at the very end, and free text may go on at any time.
        """
        if self._field == "input" or not (self._pieces and self._pieces[-1].endswith("}")):
            return False
        try:
            from_json("".join(self._pieces))
        except ValueError:
            return False
        return True

    def add(self, piece: str, extra: JSON) -> None:
        """Add a piece of the arguments, and what came beside it."""
        self.extra |= extra
        if piece:
            self._pieces.append(piece)
            self.tell(f"{self._told}.delta", delta=piece)

    def ended(self) -> JSON:
        """End the arguments."""
        whole = {self._field: "".join(self._pieces)}
        # SDKs before 3 want the name of a function there, though the call's first event has it.
        named = {} if self._field == "input" else {"name": self.begun["name"]}
        self.tell(f"{self._told}.done", **named, **whole)
        return whole
