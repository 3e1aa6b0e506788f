"""``/completions``, the API before chat: a prompt becomes a message, the answer a text.

Decides what of it chat has no words for (tokens, suffix, best_of), which is refused by name before
anything is sent. Several prompts are several calls; one that fails ends them, and what the others
cost is in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from trunkline import _pipeline
from trunkline._streams import StreamCore
from trunkline._tasks import CHAT
from trunkline.errors import BadRequestError
from trunkline.providers._shapes import is_list
from trunkline.types.params import CHAT_PARAMS

from .messages import Reply, told
from .streams import reply_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings
    from trunkline.errors import TrunklineError
    from trunkline.types.chat import ChatCompletion, ChatCompletionChunk, Usage
    from trunkline.types.routing import Routing

    from .messages import JSON, ApiRequest

_DONE = b"data: [DONE]\n\n"
# What each may be at most to ask for nothing that chat cannot give.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "suffix": (None, ""),
    "best_of": (None, 1),
    "logprobs": (None,),
}


async def completions(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer ``POST /completions``.

    Raises:
        BadRequestError: It asks for what a chat cannot give; nothing was sent.
    """
    body = request.json()
    prompts, echo = _prompts(body.pop("prompt", None)), body.pop("echo", None)
    for name, neutral in _NEUTRAL.items():
        if body.pop(name, None) not in neutral:
            raise _refused(name, f"{name} has no counterpart in chat")
    if body.get("stream") and len(prompts) > 1:
        raise _refused("prompt", "a stream answers one prompt: send one request a prompt")
    answers: list[tuple[str, ChatCompletion]] = []
    for prompt in prompts:  # each a call of its own, held and settled as one
        messages = [{"role": "user", "content": prompt}]
        given = request.given({**body, "messages": messages}, CHAT_PARAMS)
        answer = await _pipeline.create(engine, io, settings, given, CHAT)
        before = prompt if echo else ""
        if isinstance(answer, StreamCore):
            return reply_with(answer, TextWriter(before))
        answers.append((before, answer))
    return Reply(200, told(answers[-1][1]), to_json(_written(answers)))


def _prompts(given: Any) -> list[str]:
    prompts = given if is_list(given) else [given]
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if not texts or len(texts) != len(prompts):
        raise _refused("prompt", "prompt must be a string, or a list of strings: no tokens")
    return texts


def _refused(param: str, why: str) -> BadRequestError:
    return BadRequestError(
        f"{why}; legacy completions are served as chat here", param=param, sent=False
    )


def _written(answers: Sequence[tuple[str, ChatCompletion]]) -> JSON:
    """Return the answers to one prompt or several as one; each prompt's choices come in turn."""
    first = answers[0][1]
    choices = [
        (before + (choice.message.content or ""), choice.finish_reason)
        for before, answer in answers
        for choice in answer.choices
    ]
    routings = [answer.routing for _, answer in answers]
    return {
        "id": first.id,
        "object": "text_completion",
        "created": first.created,
        "model": first.model,
        "choices": [_choice(i, text, finish) for i, (text, finish) in enumerate(choices)],
        "usage": _summed([answer.usage for _, answer in answers]),
        "system_fingerprint": first.system_fingerprint,
        "trunkline": routings[0] if len(routings) == 1 else {"calls": routings},
    }


def _summed(usages: Sequence[Usage | None]) -> JSON | None:
    """Return the usage of all, ``None`` where one of them is not known."""
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: sum(getattr(usage, name) for usage in known) for name in names}


def _choice(index: int, text: str, finish: str | None) -> JSON:
    return {"index": index, "text": text, "finish_reason": finish, "logprobs": None}


class TextWriter:
    """Writes the chunks of a stream as those of the older API.

    Args:
        before: What precedes each answer: the prompt, where it is to be echoed.
    """

    def __init__(self, before: str) -> None:
        self._before = before
        self._echoed: set[int] = set()
        self._held: JSON | None = None

    def begin(self) -> bytes:
        """Return what precedes the first chunk: nothing."""
        return b""

    def feed(self, chunk: ChatCompletionChunk) -> bytes:
        """Return the bytes that are due with a chunk; its end is held back."""
        before, said = self.flush(), self._said(chunk)
        ends = [choice for choice in said["choices"] if choice["finish_reason"] is not None]
        if not ends and said["choices"]:
            return before + _event(said)
        texts = [{**choice, "finish_reason": None} for choice in said["choices"] if choice["text"]]
        self._held = {**said, "choices": [{**choice, "text": ""} for choice in ends]}
        return before + (_event({**said, "choices": texts}) if texts else b"")

    def flush(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, None
        return _event(held)

    def end(self, routing: Routing) -> bytes:
        """Return the last chunk, with the routing, and the end mark."""
        last = None if self._held is None else {**self._held, "trunkline": routing}
        return _event(last) + _DONE

    def fail(self, error: TrunklineError, body: JSON) -> bytes:  # noqa: ARG002
        """Return the event of an error that the provider sent."""
        return self.flush() + _event({"error": body})

    def _said(self, chunk: ChatCompletionChunk) -> JSON:
        choices: list[JSON] = []
        for choice in chunk.choices:
            text = choice.delta.content or ""
            if choice.index not in self._echoed:
                self._echoed.add(choice.index)
                text = self._before + text
            choices.append(_choice(choice.index, text, choice.finish_reason))
        said: JSON = {
            "id": chunk.id,
            "object": "text_completion",
            "created": chunk.created,
            "model": chunk.model,
            "choices": choices,
        }
        return said if chunk.usage is None else {**said, "usage": chunk.usage}


def _event(said: JSON | None) -> bytes:
    return b"" if said is None else b"data: %b\n\n" % to_json(said)
