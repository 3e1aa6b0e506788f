"""Providers in this process that note what they were sent, and clients over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faces import completion, stream_of

from trunkline.providers import AnthropicProvider, OpenAIProvider
from trunkline.providers.base import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trunkline.providers.base import HttpRequest

CLAUDES = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5",'
    b'"content":[{"type":"text","text":"claude says"}],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":10,"output_tokens":5}}'
)


@dataclass
class Noted:
    """Requests by provider, in order.

    Attributes:
        answers: What OpenAI's says instead, by path.
        on_request: Called before each answer.
    """

    requests: dict[str, list[HttpRequest]] = field(default_factory=dict[str, Any])
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict[str, Any])
    on_request: Callable[[], object] = bool

    def headers(self, provider: str) -> dict[str, str]:
        """Return the headers of the last request to a provider."""
        return dict(self.requests[provider][-1].headers)

    def all_text(self, provider: str) -> str:
        """Return all that a provider was sent, for looking for what it must not see."""
        return "".join(f"{r.url}{r.headers}{r.body!r}" for r in self.requests.get(provider, []))


class NotedOpenAI(OpenAIProvider):
    """OpenAI's dialect without a socket."""

    noted: Noted

    def transport(self, request: HttpRequest) -> Iterator[Any]:
        self.noted.requests.setdefault(self.name, []).append(request)
        self.noted.on_request()
        for path, (status, headers, body) in self.noted.answers.items():
            if path in request.url:
                yield Head(status, headers)
                yield body
                return
        yield Head(200, {"x-request-id": "req-openai", "x-ratelimit-remaining-tokens": "42"})
        yield (
            stream_of("openai says")
            if b'"stream":true' in request.body
            else completion("openai says")
        )


class NotedAnthropic(AnthropicProvider):
    """Anthropic's dialect without a socket."""

    noted: Noted

    def transport(self, request: HttpRequest) -> Iterator[Any]:
        self.noted.requests.setdefault(self.name, []).append(request)
        self.noted.on_request()
        yield Head(200, {"request-id": "req-claude"})
        yield CLAUDES


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """All providers of both kinds answer in this process and note what they are sent."""
    found = Noted()
    for kind in (NotedOpenAI, NotedAnthropic):
        monkeypatch.setattr(kind, "noted", found, raising=False)
    monkeypatch.setattr(OpenAIProvider, "transport", NotedOpenAI.transport, raising=False)
    monkeypatch.setattr(OpenAIProvider, "noted", found, raising=False)
    monkeypatch.setattr(AnthropicProvider, "transport", NotedAnthropic.transport, raising=False)
    monkeypatch.setattr(AnthropicProvider, "noted", found, raising=False)
    return found
