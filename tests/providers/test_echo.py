"""Echo answers with what was said last."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.exchanges import asked, run_decoder, run_transport

from trunkline.errors import ConfigurationError
from trunkline.providers import EchoProvider


def ask(text: Any, **params: Any) -> Any:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": text}]
    provider = EchoProvider()
    output_cap = params.pop("output_cap", None)
    call = asked("echo", "echo", params={"messages": messages, **params}, output_cap=output_cap)
    request = provider.build_request(call)
    response, _ = run_transport(provider, request.http)
    if not params.get("stream"):
        return provider.parse(response, request.exchange)
    decoder = provider.decoder(request.exchange)
    return run_decoder(decoder, response.body), decoder.usage


@pytest.mark.parametrize(
    "text", ["hello  big world", " a\n", "", [{"type": "text", "text": "x y"}]]
)
def test_it_says_the_last_user_message_back(text: Any) -> None:
    answer = ask(text)

    said = text if isinstance(text, str) else "x y"
    assert answer.choices[0].message.content == said
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id == "chatcmpl-0"


def test_words_are_tokens() -> None:
    usage = ask("hello big world").usage

    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 3, 8)


@pytest.mark.parametrize("cap", [{"max_tokens": 2}, {"output_cap": 2}])
def test_a_cap_cuts_it(cap: dict[str, int]) -> None:
    answer = ask("hello big world", **cap)

    assert answer.choices[0].message.content == "hello big"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 2


def test_it_streams_word_by_word() -> None:
    chunks, usage = ask("hello big world", stream=True)

    assert [c.choices[0].delta.content for c in chunks] == ["hello", " big", " world", None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert usage.completion_tokens == 3


def test_without_a_user_message_it_says_nothing() -> None:
    provider = EchoProvider()
    request = provider.build_request(asked("echo", params={"messages": []}))
    response, _ = run_transport(provider, request.http)

    assert provider.parse(response, request.exchange).choices[0].message.content == ""


def test_it_is_free_and_shows_itself() -> None:
    (model,) = EchoProvider().models

    assert model.prices is not None
    assert model.prices.is_free
    shown = "EchoProvider(name='echo', base_url='local://echo', models=1, key=None)"
    assert repr(EchoProvider()) == shown
    with pytest.raises(ConfigurationError, match="provider name"):
        EchoProvider("a/b")
