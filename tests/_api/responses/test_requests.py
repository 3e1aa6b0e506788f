"""The fields of a request for a response, each in the words of chat, told again, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests._api.responses.sdk import wanted
from tests.contract import sdks

from trunkline._api.responses import read_request
from trunkline.errors import BadRequestError

JSON = dict[str, Any]

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
SCHEMA = {"type": "object", "properties": {}}
PLAIN = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

SENT: list[tuple[JSON, JSON]] = [
    ({}, {}),
    ({"temperature": 0.5, "top_p": 0.1}, {"temperature": 0.5, "top_p": 0.1}),
    ({"user": "u", "safety_identifier": "s"}, {"user": "u", "safety_identifier": "s"}),
    ({"prompt_cache_key": "k"}, {"prompt_cache_key": "k"}),
    ({"prompt_cache_retention": "24h"}, {"prompt_cache_retention": "24h"}),
    ({"service_tier": "flex"}, {"service_tier": "flex"}),
    ({"max_output_tokens": 9}, {"max_completion_tokens": 9}),
    ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
    ({"reasoning": {"effort": None, "context": "auto", "mode": "standard"}}, {}),
    ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    ({"text": {"format": {"type": "text"}, "verbosity": None}}, {}),
    (
        {"text": {"format": {"type": "json_object"}}},
        {"response_format": {"type": "json_object"}},
    ),
    (
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "n",
                    "schema": SCHEMA,
                    "strict": True,
                    "description": None,
                }
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
            }
        },
    ),
    ({"include": ["reasoning.encrypted_content"]}, {}),
    ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
    (
        {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
        {"logprobs": True, "top_logprobs": 3},
    ),
    ({"top_logprobs": 3}, {}),
    ({"store": False}, {"store": False}),
    ({"store": True}, {}),
    ({"metadata": {"a": "b"}}, {}),
    ({"max_tool_calls": 3}, {}),
    ({"truncation": "disabled", "background": False, "context_management": []}, {}),
    ({"stream": False, "stream_options": {"include_obfuscation": True}}, {}),
    (
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"stream": True, "stream_options": {"include_usage": True}},
    ),
    # Chat takes no word about tools where there are none.
    ({"tool_choice": "auto", "parallel_tool_calls": True, "tools": []}, {}),
    ({"tool_choice": "required"}, {"tool_choice": "required"}),
    (
        {"tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
                }
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
    ),
]
REFUSED: list[tuple[JSON, str, str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id", "earlier output items in input"),
    ({"conversation": "conv_1"}, "conversation", "earlier output items in input"),
    ({"conversation": {"id": "conv_1"}}, "conversation", "earlier output items in input"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt", "send instructions and input"),
    ({"background": True}, "background", "use a stream"),
    ({"background_options": {"completion_window": "2h"}}, "background_options", "leave it out"),
    ({"truncation": "auto"}, "truncation", "shorten input"),
    ({"context_management": [{"type": "compaction"}]}, "context_management", "shorten input"),
    ({"access_programs": {"cyber": "standard"}}, "access_programs", "leave it out"),
    ({"image": {"context_compression": "auto"}}, "image", "leave it out"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format.type", "grammar"),
    ({"reasoning": {"context": "current_turn"}}, "reasoning.context", "auto"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode", "standard"),
    ({"include": ["all"]}, "include[0]", "all"),
    ({"include": "all"}, "include", "list"),
    ({"max_output_tokens": 0}, "max_output_tokens", "whole number"),
    ({"max_output_tokens": "9"}, "max_output_tokens", "whole number"),
    ({"max_output_tokens": True}, "max_output_tokens", "whole number"),
    ({"stream": "yes"}, "stream", "true or false"),
    ({"text": "json"}, "text", "object"),
    ({"text": {"format": {}}}, "text.format.type", "missing"),
    ({"reasoning": "low"}, "reasoning", "object"),
    ({"instructions": ["be nice"]}, "instructions", "string"),
    ({"input": None}, "input", "missing"),
    ({"input": 7}, "input", "list"),
    ({"model": None}, "model", "missing"),
]


@pytest.mark.parametrize(("body", "chat"), SENT)
def test_field_is_said_in_chat(body: JSON, chat: JSON) -> None:
    said = wanted(**body).chat

    assert said == {**PLAIN, **chat}
    sdks.check("openai", said)


@pytest.mark.parametrize(("body", "param", "hint"), REFUSED)
def test_field_that_chat_cannot_say_is_refused_by_name(body: JSON, param: str, hint: str) -> None:
    with pytest.raises(BadRequestError, match=hint) as caught:
        wanted(**body)

    assert caught.value.param == param
    assert caught.value.code
    assert param in caught.value.message
    assert not caught.value.sent
    assert caught.value.should_retry is False


def test_null_is_as_if_not_given() -> None:
    names = {name for body, _ in SENT for name in body} | {param for _, param, _ in REFUSED}
    fields = {name for name in names if name.isidentifier()} - {"model", "input"}

    asked = wanted(**dict.fromkeys(fields))

    assert asked == wanted()
    assert not asked.stream


def test_stream_is_known() -> None:
    assert wanted(stream=True).stream
    assert not wanted(stream=False).stream


def test_unknown_fields_and_routing_go_along() -> None:
    body = {"trunkline": {"team": "research"}, "seed": 7, "safetySettings": []}

    assert wanted(**body).chat["extra_body"] == body


def test_instructions_come_first() -> None:
    said = wanted(instructions="Be nice.").chat["messages"]

    assert said == [{"role": "system", "content": "Be nice."}, *PLAIN["messages"]]


def test_request_is_told_again() -> None:
    body: JSON = {
        "instructions": "Be nice.",
        "max_output_tokens": 9,
        "max_tool_calls": 2,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "safety_identifier": "s",
        "temperature": 0.5,
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [FUNCTION],
        "top_logprobs": 3,
        "top_p": 0.1,
        "user": "u",
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
    }

    echoed = wanted(**body).echoed

    assert {name: echoed[name] for name in body} == body


def test_what_was_not_asked_is_told_as_the_default() -> None:
    echoed = wanted().echoed

    assert echoed["tool_choice"] == "auto"
    assert echoed["parallel_tool_calls"] is True
    assert echoed["text"] == {"format": {"type": "text"}}
    assert echoed["truncation"] == "disabled"
    assert echoed["temperature"] is None
    assert echoed["tools"] == []


@pytest.mark.parametrize("store", [None, False, True])
def test_nothing_is_said_to_be_stored(store: bool | None) -> None:
    assert wanted(store=store).echoed["store"] is False


def test_body_is_left_as_it_was() -> None:
    part = {"type": "input_text", "text": "a"}
    body = {"model": "m", "input": [{"role": "user", "content": [part]}], "tools": [FUNCTION]}
    before = repr(body)

    read_request(body)

    assert repr(body) == before
