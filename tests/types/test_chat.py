from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from openai.types import completion_usage
from openai.types.chat import ChatCompletion as TheirCompletion
from openai.types.chat import (
    ChatCompletionAudio,
    ChatCompletionMessage,
    chat_completion,
    chat_completion_chunk,
    chat_completion_message,
)
from openai.types.chat import ChatCompletionChunk as TheirChunk
from pydantic import ValidationError

from trunkline.types import chat
from trunkline.types.chat import ChatCompletion, ChatCompletionChunk, Usage
from trunkline.types.routing import Actual, Attempt, Prediction, Routing

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-5-mini",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "reasoning_details": [{"type": "summary"}],
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"at": "Oslo"}'},
                    },
                    {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "…"}},
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "image_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
    "x_groq": {"id": "req_1"},
}
CHUNK: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_700_000_000,
    "model": "gpt-5-mini",
    "choices": [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather"}}],
            },
            "finish_reason": None,
        }
    ],
    "obfuscation": "xx",
}
ROUTING = Routing(
    id="call-1",
    provider="openai",
    model="gpt-5-mini",
    reason="asked for",
    predicted=Prediction(),
    actual=Actual(),
)


def completion(**changes: Any) -> ChatCompletion:
    return ChatCompletion.model_validate_json(json.dumps({**ANSWER, **changes}))


def with_usage(**changes: Any) -> Usage | None:
    return completion(usage={**ANSWER["usage"], **changes}).usage


def test_the_sdk_takes_our_completion() -> None:
    theirs = TheirCompletion.model_validate(completion().model_dump(exclude_unset=True))

    assert theirs.choices[0].message.tool_calls
    assert theirs.usage is not None
    assert theirs.usage.total_tokens == 18


def test_the_sdk_takes_our_completion_with_every_default_written_out() -> None:
    plain = {"message": {"content": "Hi"}, "finish_reason": "stop"}

    theirs = TheirCompletion.model_validate(completion(choices=[plain]).model_dump())

    assert theirs.choices[0].message.content == "Hi"


def test_the_sdk_takes_our_chunk() -> None:
    chunk = ChatCompletionChunk.model_validate(CHUNK)

    theirs = TheirChunk.model_validate(chunk.model_dump())

    assert theirs.choices[0].delta.tool_calls
    assert theirs.choices[0].delta.tool_calls[0].id == "call_1"


@pytest.mark.parametrize(
    ("model", "body"), [(ChatCompletion, ANSWER), (ChatCompletionChunk, CHUNK)]
)
def test_nothing_that_a_provider_said_is_lost(
    model: type[ChatCompletion | ChatCompletionChunk], body: dict[str, Any]
) -> None:
    assert model.model_validate(body).model_dump(exclude_unset=True) == body


def test_usage_tells_the_parts_of_its_sums() -> None:
    usage = completion().usage

    assert usage is not None
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (4, 2, 3)


def test_usage_without_details_has_no_parts() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)

    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (0, 0, 0)


@pytest.mark.parametrize(
    "count", [True, False, "5", "", -1, 10**9 + 1, 10**18, 1.5, None, [], {}, 1e300]
)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_M10_a_count_that_cannot_be_believed_makes_the_usage_missing(name: str, count: Any) -> None:
    assert with_usage(**{name: count}) is None


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_M10_counts_that_are_no_numbers_make_the_usage_missing(word: str) -> None:
    body = json.dumps(ANSWER).replace('"prompt_tokens": 11', f'"prompt_tokens": {word}')

    assert ChatCompletion.model_validate_json(body).usage is None


@pytest.mark.parametrize("part", [True, "4", -1, 10**10])
def test_M10_a_part_that_cannot_be_believed_makes_the_usage_missing(part: Any) -> None:
    assert with_usage(prompt_tokens_details={"cached_tokens": part}) is None


@pytest.mark.parametrize("usage", [None, "none", 7, [], {}, {"prompt_tokens": 1}])
def test_M10_an_answer_with_a_bad_bill_is_still_an_answer(usage: Any) -> None:
    answer = completion(usage=usage)

    assert answer.usage is None
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("count", [5.0, 0, 10**9])
def test_M10_integral_counts_are_taken(count: float) -> None:
    usage = with_usage(prompt_tokens=count)

    assert usage is not None
    assert usage.prompt_tokens == count
    assert isinstance(usage.prompt_tokens, int)


def test_M10_a_chunk_with_a_bad_bill_is_still_a_chunk() -> None:
    assert (
        ChatCompletionChunk.model_validate({**CHUNK, "usage": {"prompt_tokens": -1}}).usage is None
    )


@pytest.mark.parametrize(
    "change",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [{"message": {"content": "x"}}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "boredom"}]},
        {"choices": [{"message": {"role": "user", "content": "x"}, "finish_reason": "stop"}]},
        {"object": "list"},
    ],
)
def test_what_is_not_an_answer_does_not_pass_for_one(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        completion(**change)


def test_routing_is_an_attribute_and_no_field() -> None:
    answer = completion()
    answer._routing = ROUTING

    assert answer.routing is ROUTING
    assert "routing" not in answer.model_dump()
    assert "_routing" not in answer.model_dump_json()
    assert "call-1" not in answer.model_dump_json()


@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        ChatCompletion.model_copy,
        lambda answer: pickle.loads(pickle.dumps(answer)),  # noqa: S301  # our own bytes
    ],
    ids=["copy", "deepcopy", "model_copy", "pickle"],
)
def test_routing_goes_along_with_copies(again: Any) -> None:
    answer = completion()
    answer._routing = ROUTING

    assert again(answer).routing == ROUTING
    assert again(answer) == answer


def test_an_answer_from_elsewhere_says_that_it_has_no_routing() -> None:
    # Older releases of pydantic put their own words in the place of ours.
    with pytest.raises(AttributeError, match="routing"):
        _ = completion().routing


def test_what_the_sdks_objects_have_ours_have_too() -> None:
    pairs: list[tuple[Any, Any]] = [
        (chat.ChatCompletion, TheirCompletion),
        (chat.Choice, chat_completion.Choice),
        (chat.ChatCompletionMessage, ChatCompletionMessage),
        (chat.ChatCompletionAudio, ChatCompletionAudio),
        (chat.Annotation, chat_completion_message.Annotation),
        (chat.URLCitation, chat_completion_message.AnnotationURLCitation),
        (chat.ChatCompletionChunk, TheirChunk),
        (chat.ChunkChoice, chat_completion_chunk.Choice),
        (chat.ChoiceDelta, chat_completion_chunk.ChoiceDelta),
        (chat.AudioDelta, chat_completion_chunk.ChoiceDeltaAudio),
        (chat.ToolCallDelta, chat_completion_chunk.ChoiceDeltaToolCall),
        (chat.Usage, completion_usage.CompletionUsage),
        (chat.PromptTokensDetails, completion_usage.PromptTokensDetails),
        (chat.CompletionTokensDetails, completion_usage.CompletionTokensDetails),
    ]

    for ours, theirs in pairs:
        assert theirs.model_fields.keys() <= ours.model_fields.keys(), ours.__name__


def test_what_was_not_said_is_none() -> None:
    message = completion().choices[0].message

    assert (message.audio, message.annotations, message.refusal) == (None, None, None)
    assert (completion().metadata, completion().moderation) == (None, None)


AUDIO = {"id": "a", "data": "AAAA", "expires_at": 5, "transcript": "Hi"}
CITED = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 2, "title": "T", "url": "https://a/"},
}


def test_audio_and_annotations_are_objects_as_in_the_sdk() -> None:
    said = {"role": "assistant", "content": "Hi", "audio": AUDIO, "annotations": [CITED]}
    answer = completion(choices=[{"index": 0, "message": said, "finish_reason": "stop"}])

    message = answer.choices[0].message

    assert message.audio.transcript == "Hi"
    assert message.annotations[0].url_citation.url == "https://a/"
    assert TheirCompletion.model_validate(answer.to_dict()).to_dict() == answer.to_dict()


@pytest.mark.parametrize(
    "odd", [{"audio": "AAAA"}, {"audio": {"id": 1}}, {"annotations": {}}, {"annotations": [{}, 7]}]
)
def test_an_answer_with_notes_of_another_shape_is_still_an_answer(odd: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": "Hi", **odd}
    answer = completion(choices=[{"index": 0, "message": message, "finish_reason": "stop"}])

    assert answer.choices[0].message.model_dump(exclude_unset=True) == message


@pytest.mark.parametrize("options", [{}, {"exclude_none": True}, {"mode": "json"}])
@pytest.mark.parametrize(
    ("ours", "theirs", "body"),
    [(ChatCompletion, TheirCompletion, ANSWER), (ChatCompletionChunk, TheirChunk, CHUNK)],
)
def test_to_dict_and_to_json_are_the_sdks(
    ours: Any, theirs: Any, body: dict[str, Any], options: dict[str, Any]
) -> None:
    one, other = ours.model_validate(body), theirs.model_validate(body)

    assert one.to_dict(**options) == other.to_dict(**options)
    assert one.choices[0].to_dict(**options) == other.choices[0].to_dict(**options)
    options.pop("mode", None)
    assert json.loads(one.to_json(**options)) == json.loads(other.to_json(**options))
    assert one.to_json(indent=None, **options).count("\n") == 0
    assert one.to_json().startswith('{\n  "id"')


def test_the_request_id_is_the_last_attempts_and_no_field() -> None:
    attempts = tuple(
        Attempt(provider="p", model="m", state="settled", duration_s=1.0, request_id=id_)
        for id_ in ("req_1", "req_2")
    )
    answer = completion()
    assert answer._request_id is None

    answer.attach_routing(ROUTING)
    assert answer._request_id is None
    answer.attach_routing(replace(ROUTING, attempts=attempts))

    assert answer._request_id == "req_2"
    assert pickle.loads(pickle.dumps(answer))._request_id == "req_2"  # noqa: S301  # our own bytes
    assert "req_2" not in answer.to_json() + repr(answer)
