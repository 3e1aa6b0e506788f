"""Echo: answers with the last user message. For first steps, tests and documentation.

Decides nothing but that; free by default, so that it works under any budget.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import _local
from .endpoint import declared

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from trunkline.catalog.models import Model

    from .base import Head, HttpRequest, Invoke, Wait

_WORD = re.compile(r"\s*\S+|\s+")


class EchoProvider(_local.LocalProvider):
    """Answers with the last user message, a token a word, and streams it word by word.

    Args:
        name: Name in ``provider/model``.
        models: What it answers for; a bare id is free.
    """

    def __init__(self, name: str = "echo", *, models: Sequence[Model | str] = ("echo",)) -> None:
        super().__init__(name, declared(models, free=True))

    def transport(self, request: HttpRequest) -> Generator[Head | Wait | Invoke | bytes, Any, None]:
        """Answer without a socket; see ``base.HasTransport``."""
        answer = _local.Answering(request)
        words: list[str] = _WORD.findall(_last_user_text(answer.params))
        cap = _local.output_cap(answer.params)
        finish = "stop" if cap is None or len(words) <= cap else "length"
        words = words[:cap]
        usage = _local.usage_of(_words_in(answer.params), len(words))
        yield answer.head()
        if not answer.stream:
            yield answer.whole("".join(words), finish, usage)
            return
        for word in words:
            yield answer.piece(word)
        yield answer.end(finish, usage)


def _last_user_text(params: Mapping[str, Any]) -> str:
    messages: list[Mapping[str, Any]] = params.get("messages") or []
    spoken = (_local.text_of(m) for m in reversed(messages) if m.get("role") == "user")
    return next(spoken, "")


def _words_in(params: Mapping[str, Any]) -> int:
    return sum(len(_WORD.findall(_local.text_of(m))) for m in params.get("messages") or ())
