"""Results: what they keep, how they are copied, pickled and written down."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, MODEL, TEXT
from tests.drop_in.replies import completion
from tests.drop_in.wire import Answer

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

ODD = "Zażółć 🦜 \u2028 \x00 “quoted” \\n"


@pytest.mark.surface("chat.completions.create")
def test_an_answer_is_the_installed_type(client: Any) -> None:
    answer: Any = client.chat.completions.create(**ASK)

    assert isinstance(answer, openai.types.chat.ChatCompletion)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.object, answer.model) == ("chat.completion", MODEL)
    assert answer.usage
    assert answer.usage.total_tokens == 5


async def test_an_async_answer_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        answer = await client.chat.completions.create(**ASK)

    assert type(answer) is openai.types.chat.ChatCompletion
    assert answer.choices[0].message.content == TEXT


@pytest.mark.surface("request ids")
def test_an_answer_has_the_request_id(client: Any) -> None:
    answer = client.chat.completions.create(**ASK)

    assert answer._request_id == "req_wire"
    assert "_request_id" not in answer.to_dict()


@pytest.mark.surface("pickling, copying, dumping")
def test_an_answer_survives_pickling(client: Any) -> None:
    answer = client.chat.completions.create(**ASK)

    again = pickle.loads(pickle.dumps(answer))  # noqa: S301 - our own bytes

    assert again == answer
    assert again.choices[0].message.content == TEXT


def test_an_answer_survives_copying(client: Any) -> None:
    answer = client.chat.completions.create(**ASK)

    assert copy.deepcopy(answer) == answer
    assert answer.model_copy(deep=True) == answer
    assert answer.model_copy(update={"id": "other"}).id == "other"


def test_an_answer_is_dumped_and_validated_again(client: Any) -> None:
    answer = client.chat.completions.create(**ASK)

    kind = type(answer)
    assert kind.model_validate(answer.model_dump()) == answer
    assert kind.model_validate_json(answer.model_dump_json()) == answer


def test_an_answer_becomes_a_dict_and_json(client: Any) -> None:
    answer = client.chat.completions.create(**ASK)

    assert answer.to_dict()["choices"][0]["message"]["content"] == TEXT
    assert json.loads(answer.to_json()) == answer.to_dict(mode="json")


def test_null_and_missing_fields_are_told_apart(door: Door, client: Any) -> None:
    body = completion("x", system_fingerprint=None)
    del body["choices"][0]["message"]["refusal"]
    door.wire.script(Answer(body=body))

    answer = client.chat.completions.create(**ASK)

    assert answer.system_fingerprint is None
    assert "system_fingerprint" in answer.model_fields_set
    assert answer.service_tier is None
    assert "service_tier" not in answer.model_fields_set
    assert "refusal" not in answer.choices[0].message.model_fields_set


def test_fields_without_a_type_are_kept(door: Door, client: Any) -> None:
    body = completion("x", vendor={"score": 0.5})
    body["choices"][0]["message"]["reasoning_content"] = "because"
    door.wire.script(Answer(body=body))

    answer = client.chat.completions.create(**ASK)

    assert answer.vendor == answer.model_extra["vendor"] == {"score": 0.5}
    assert answer.choices[0].message.reasoning_content == "because"


def test_odd_characters_come_and_go_whole(door: Door, client: Any) -> None:
    messages = [{"role": "user", "content": ODD}]

    answer = client.chat.completions.create(model=MODEL, messages=messages)

    assert door.wire.last.json["messages"] == messages
    assert answer.choices[0].message.content == ODD


def test_odd_characters_are_streamed_whole(client: Any) -> None:
    messages = [{"role": "user", "content": ODD}]

    stream = client.chat.completions.create(model=MODEL, messages=messages, stream=True)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ODD


def test_big_numbers_stay_exact(door: Door, client: Any) -> None:
    big = 2**63 + 1
    door.wire.script(Answer(body=completion("x", big=big)))

    answer = client.chat.completions.create(**ASK, seed=big)

    assert door.wire.last.json["seed"] == big
    assert answer.big == big


def test_an_answer_without_usage_is_an_answer(door: Door, client: Any) -> None:
    body = completion("x")
    del body["usage"]
    door.wire.script(Answer(body=body))

    answer = client.chat.completions.create(**ASK)

    assert answer.usage is None
    assert answer.choices[0].message.content == "x"


def test_several_choices_stay_apart(door: Door, client: Any) -> None:
    first = completion("one")["choices"][0]
    second = {**completion("two")["choices"][0], "index": 1}
    door.wire.script(Answer(body=completion("", choices=[first, second])))

    answer = client.chat.completions.create(**ASK, n=2)

    said = [(choice.index, choice.message.content) for choice in answer.choices]
    assert said == [(0, "one"), (1, "two")]


def test_what_comes_beside_the_text_is_kept(door: Door, client: Any) -> None:
    body = completion("x", service_tier="default", system_fingerprint="fp_1")
    choice = body["choices"][0]
    choice["logprobs"] = {
        "content": [{"token": "x", "bytes": [120], "logprob": -0.5, "top_logprobs": []}],
        "refusal": None,
    }
    choice["message"] |= {
        "audio": {"id": "a", "data": "aGk=", "expires_at": 9, "transcript": "x"},
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "u"},
            }
        ],
    }
    door.wire.script(Answer(body=body))

    answer = client.chat.completions.create(**ASK)
    message = answer.choices[0].message

    assert answer.choices[0].logprobs.content[0].logprob == -0.5
    assert (message.audio.id, message.audio.transcript) == ("a", "x")
    assert message.annotations[0].url_citation.title == "t"
    assert (answer.service_tier, answer.system_fingerprint) == ("default", "fp_1")


def test_details_of_usage_are_kept(door: Door, client: Any) -> None:
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 20,
        "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 5, "accepted_prediction_tokens": 2},
    }
    door.wire.script(Answer(body=completion("x", usage=usage)))

    told = client.chat.completions.create(**ASK).usage

    assert told.prompt_tokens_details.cached_tokens == 10
    assert told.prompt_tokens_details.audio_tokens == 1
    assert told.completion_tokens_details.reasoning_tokens == 5
    assert told.completion_tokens_details.accepted_prediction_tokens == 2


def test_custom_tool_calls_are_read(door: Door, client: Any) -> None:
    body = completion("x")
    call = {"id": "c", "type": "custom", "custom": {"name": "g", "input": "go"}}
    body["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
    body["choices"][0]["finish_reason"] = "tool_calls"
    door.wire.script(Answer(body=body))

    told = client.chat.completions.create(**ASK).choices[0].message.tool_calls[0]

    assert (told.type, told.custom.name, told.custom.input) == ("custom", "g", "go")


def test_tool_calls_are_read(door: Door, client: Any) -> None:
    door.wire.say(None, ("call_1", "weather", '{"city": "Oslo"}'))

    answer = client.chat.completions.create(**ASK)

    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.type, call.function.name) == ("call_1", "function", "weather")
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    assert answer.choices[0].finish_reason == "tool_calls"
