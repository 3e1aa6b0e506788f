"""``with_options``, ``copy`` and the options of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, KEY, TEXT
from tests.drop_in.wire import Wire, failure

if TYPE_CHECKING:
    from tests.drop_in.doors import Door


@pytest.mark.surface("with_options, copy")
def test_with_options_leaves_the_client_as_it_was(door: Door, client: Any) -> None:
    other = client.with_options(timeout=7.0, max_retries=5, api_key="sk-other")

    assert (other.timeout, other.max_retries, other.api_key) == (7.0, 5, "sk-other")
    assert (client.timeout, client.max_retries) == (openai.DEFAULT_TIMEOUT, 2)
    assert client.api_key == KEY


def test_a_copy_is_of_the_same_class_and_works(door: Door, client: Any) -> None:
    other = client.copy()

    answer = other.chat.completions.create(**ASK)

    assert type(other) is type(client)
    assert answer.choices[0].message.content == TEXT


def test_a_copy_with_another_key_sends_it(door: Door, client: Any) -> None:
    client.copy(api_key="sk-other").chat.completions.create(**ASK)
    client.chat.completions.create(**ASK)

    sent = [request.headers["authorization"] for request in door.wire.requests]
    assert sent == ["Bearer sk-other", f"Bearer {KEY}"]


def test_a_copy_with_another_base_url_asks_there(door: Door, client: Any) -> None:
    with Wire() as other:
        client.copy(base_url=other.url).chat.completions.create(**ASK)

        assert len(other.requests) == 1
    assert door.wire.requests == []


def test_a_copy_with_another_organization_sends_it(door: Door, client: Any) -> None:
    client.copy(organization="org-2", project="proj-2").chat.completions.create(**ASK)

    assert door.wire.last.headers["openai-organization"] == "org-2"
    assert door.wire.last.headers["openai-project"] == "proj-2"


def test_default_headers_of_a_copy_are_merged(door: Door) -> None:
    client = door.sync(default_headers={"x-a": "1", "x-b": "1"})

    client.copy(default_headers={"x-b": "2"}).chat.completions.create(**ASK)

    sent = door.wire.last.headers
    assert (sent["x-a"], sent["x-b"]) == ("1", "2")


def test_set_default_headers_of_a_copy_replace(door: Door) -> None:
    client = door.sync(default_headers={"x-a": "1"})

    client.copy(set_default_headers={"x-b": "2"}).chat.completions.create(**ASK)

    assert "x-a" not in door.wire.last.headers
    assert door.wire.last.headers["x-b"] == "2"


def test_default_query_of_a_copy_is_merged_or_replaced(door: Door) -> None:
    client = door.sync(default_query={"a": "1", "b": "1"})

    client.copy(default_query={"b": "2"}).chat.completions.create(**ASK)
    merged = door.wire.last.query
    client.copy(set_default_query={"c": "3"}).chat.completions.create(**ASK)

    assert merged == {"a": ["1"], "b": ["2"]}
    assert door.wire.last.query == {"c": ["3"]}


@pytest.mark.parametrize("what", ["headers", "query"])
def test_merging_and_replacing_at_once_is_refused(client: Any, what: str) -> None:
    with pytest.raises(ValueError, match=f"set_default_{what}"):
        client.copy(**{f"default_{what}": {"a": "1"}, f"set_default_{what}": {"b": "1"}})


def test_options_of_a_copy_survive_another_copy(door: Door, client: Any) -> None:
    door.wire.script(failure(500))
    other = client.with_options(max_retries=0, default_headers={"x-a": "1"}).with_options(timeout=9)

    with pytest.raises(openai.InternalServerError):
        other.chat.completions.create(**ASK)

    assert len(door.wire.requests) == 1
    assert door.wire.last.headers["x-a"] == "1"


async def test_options_of_an_async_copy_are_used(door: Door) -> None:
    async with door.asynchronous() as client:
        other = client.with_options(api_key="sk-other", default_headers={"x-a": "1"})
        await other.chat.completions.create(**ASK)

    assert type(other) is type(client)
    assert door.wire.last.headers["authorization"] == "Bearer sk-other"
    assert door.wire.last.headers["x-a"] == "1"


@pytest.mark.surface("extra_headers, extra_query, extra_body")
def test_extra_headers_win_over_the_clients(door: Door) -> None:
    client = door.sync(default_headers={"x-a": "client", "x-b": "client"})

    client.chat.completions.create(**ASK, extra_headers={"X-A": "call"})

    assert door.wire.last.headers["x-a"] == "call"
    assert door.wire.last.headers["x-b"] == "client"


def test_extra_headers_may_replace_the_key(door: Door, client: Any) -> None:
    client.chat.completions.create(**ASK, extra_headers={"Authorization": "Bearer call"})

    assert door.wire.last.headers["authorization"] == "Bearer call"


def test_an_extra_header_that_is_omitted_is_not_sent(door: Door) -> None:
    client = door.sync(default_headers={"x-a": "client"})

    client.chat.completions.create(**ASK, extra_headers={"x-a": openai.omit})

    assert "x-a" not in door.wire.last.headers


def test_extra_query_is_merged_with_the_clients(door: Door) -> None:
    client = door.sync(default_query={"a": "client", "b": "client"})

    client.chat.completions.create(**ASK, extra_query={"a": "call"})

    assert door.wire.last.query == {"a": ["call"], "b": ["client"]}


def test_extra_body_is_sent_and_wins(door: Door, client: Any) -> None:
    client.chat.completions.create(
        **ASK, temperature=0.5, extra_body={"temperature": 0.1, "top_k": 3}
    )

    assert door.wire.last.json["temperature"] == 0.1
    assert door.wire.last.json["top_k"] == 3


def test_parameters_arrive_as_they_were_given(door: Door, client: Any) -> None:
    given = {
        "temperature": 0,
        "top_p": 0.25,
        "seed": 7,
        "stop": ["a", "b"],
        "logit_bias": {"50256": -100},
        "metadata": {"k": "v"},
        "user": "someone",
        "max_tokens": 12,
        "n": 1,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "store": True,
        "logprobs": True,
        "top_logprobs": 2,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "reasoning_effort": "low",
        "verbosity": "low",
        "service_tier": "flex",
        "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"},
        "safety_identifier": "someone",
        "prompt_cache_key": "k",
        "response_format": {"type": "json_object"},
        "web_search_options": {"search_context_size": "low"},
    }

    client.chat.completions.create(**ASK, **given)

    assert door.wire.last.json == {**ASK, **given}


def test_messages_of_every_kind_arrive_as_they_were_given(door: Door, client: Any) -> None:
    url = "data:image/png;base64,aGk="
    parts: list[Any] = [
        {"type": "text", "text": TEXT},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "file", "file": {"file_data": "aGk=", "filename": "a.pdf"}},
        {"type": "text", "text": TEXT},
    ]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}}
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hi", "name": "someone"},
        {"role": "assistant", "content": None, "tool_calls": [call, custom]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
        {"role": "tool", "tool_call_id": "d", "content": [{"type": "text", "text": "done"}]},
        {"role": "assistant", "content": "So.", "refusal": None},
        {"role": "user", "content": parts},
    ]

    client.chat.completions.create(model=ASK["model"], messages=messages)

    assert door.wire.last.json["messages"] == messages


def test_a_body_of_megabytes_comes_and_goes(door: Door, client: Any) -> None:
    messages = [{"role": "user", "content": "ä" * 1_000_000}]

    answer = client.chat.completions.create(model=ASK["model"], messages=messages)

    assert answer.choices[0].message.content == messages[0]["content"]


def test_a_copy_may_have_an_http_client_of_its_own(door: Door, client: Any) -> None:
    seen: list[str] = []
    hooks: Any = {"request": [lambda request: seen.append(request.url.path)]}
    with openai.DefaultHttpxClient(event_hooks=hooks) as own:
        other = client.with_options(http_client=own)
        answer = other.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert seen == ["/v1/chat/completions"]


def test_messages_may_be_any_iterable(door: Door, client: Any) -> None:
    client.chat.completions.create(model=ASK["model"], messages=iter(ASK["messages"]))

    assert door.wire.last.json["messages"] == ASK["messages"]


def test_an_answers_message_may_be_sent_back(door: Door, client: Any) -> None:
    first = client.chat.completions.create(**ASK)

    messages = [*ASK["messages"], first.choices[0].message, {"role": "user", "content": "And?"}]
    client.chat.completions.create(model=ASK["model"], messages=messages)

    sent = door.wire.last.json["messages"]
    assert (sent[1]["role"], sent[1]["content"]) == ("assistant", TEXT)


def test_missing_arguments_are_refused_before_anything_is_sent(door: Door, client: Any) -> None:
    with pytest.raises(TypeError, match="Missing required arguments"):
        client.chat.completions.create(model=ASK["model"])
    with pytest.raises(TypeError, match="unexpected keyword"):
        client.chat.completions.create(**ASK, no_such_parameter=1)

    assert door.wire.requests == []


@pytest.mark.surface("client.get, client.post")
def test_an_endpoint_may_be_asked_by_its_path(door: Door, client: Any) -> None:
    answer = client.post(
        "/chat/completions", cast_to=openai.types.chat.ChatCompletion, body={**ASK, "mine": 1}
    )

    assert answer.choices[0].message.content == TEXT
    assert door.wire.last.json["mine"] == 1


def test_an_endpoint_may_be_asked_for_plain_json(client: Any) -> None:
    answer = client.post("/chat/completions", cast_to=object, body=ASK)

    assert answer["choices"][0]["message"]["content"] == TEXT


def test_an_endpoint_may_be_asked_for_the_response_itself(client: Any) -> None:
    kind = type(client.models.with_raw_response.list().http_response)

    answer = client.get("/models", cast_to=kind)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
