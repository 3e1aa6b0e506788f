"""Chunks add up to the answer they spell, as far as they came."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.pieces import Unsummed

from trunkline.providers.joining import Joined, join_chunks, split_completion
from trunkline.types.chat import (
    AudioDelta,
    ChatCompletion,
    ChatCompletionChunk,
    FunctionCallDelta,
    ToolCallDelta,
    Usage,
)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> ChatCompletionChunk:
    choice = {"index": more.pop("index", 0), "delta": delta, "finish_reason": finish}
    top = {"id": "c", "created": 1, "model": "m", "choices": [choice], **more}
    return ChatCompletionChunk.model_validate(top)


def joined(*chunks: ChatCompletionChunk) -> Joined:
    found = Joined()
    for one in chunks:
        found.add(one)
    return found


CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}


def test_nothing_makes_nothing() -> None:
    found = Joined()

    assert found.completion() is None
    assert not found.is_finished
    assert found.finish_reason is None
    assert found.output_bytes == 0


def test_a_cut_answer_is_marked_as_cut() -> None:
    found = joined(chunk({"content": "h"}), chunk({"content": "é"}))

    answer = found.completion()

    assert answer is not None
    assert answer.choices[0].message.content == "hé"
    assert answer.choices[0].finish_reason == "length"
    assert not found.is_finished


def test_every_choice_must_be_finished() -> None:
    first = [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)]

    assert not joined(*first).is_finished
    assert join_chunks(first) is None
    whole = join_chunks([*first, chunk({}, "length", index=1)])
    assert whole is not None
    assert [c.finish_reason for c in whole.choices] == ["stop", "length"]


def test_S3_an_answer_that_was_asked_for_and_has_not_come_is_missing() -> None:
    cut, begun, whole = Joined(2), Joined(2), Joined(2)
    for found in (cut, begun, whole):
        found.add(chunk({"content": "a"}, "stop"))
    begun.add(chunk({"content": "b"}, index=1))
    whole.add(chunk({"content": "b"}, "length", index=1))

    assert [cut.is_finished, begun.is_finished, whole.is_finished] == [False, False, True]
    assert cut.why_unfinished == "the stream ended after 1 of the 2 answers asked for"
    assert begun.why_unfinished == "the stream ended without a finish reason"
    assert join_chunks([chunk({"content": "a"}, "stop")], choices=2) is None


def test_who_says_that_it_was_all_may_give_fewer_answers_but_none_half() -> None:
    few, half = Joined(3), Joined(3)
    few.is_all = half.is_all = True
    few.add(chunk({"content": "a"}, "stop"))
    half.add(chunk({"content": "a"}))

    assert (few.is_finished, half.is_finished) == (True, False)


def test_bytes_are_counted_of_text_names_and_arguments() -> None:
    found = joined(
        chunk({"content": "é", "reasoning_content": "so", "tool_calls": [CALL]}),
        chunk({"function_call": {"name": "g", "arguments": "{}"}}),
    )

    assert found.output_bytes == 2 + 2 + 2 + 2


def test_fields_around_the_choices_are_kept() -> None:
    answer = joined(
        chunk({"content": "a"}, system_fingerprint="fp", service_tier="flex", extra=1),
        chunk({}, "stop", extra=None),
    ).completion(Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2))

    assert answer is not None
    assert (answer.system_fingerprint, answer.service_tier) == ("fp", "flex")
    assert answer.model_extra == {"extra": 1}
    assert answer.usage is not None


def test_apart_and_together_again_is_the_same() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "so",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "native": "x"}
    whole = ChatCompletion.model_validate(
        {"id": "c", "created": 1, "model": "m", "choices": [choice], "more": [1]}
    )

    again = join_chunks(split_completion(whole))

    assert again is not None
    call = (again.choices[0].message.tool_calls or [])[0]
    assert call.function is not None
    assert call.function.arguments == "{}"
    call.function.arguments = ""
    assert again == whole


def pieces_of_a_call(*pieces: dict[str, Any]) -> list[ChatCompletionChunk]:
    made = [chunk({"tool_calls": [{"index": 0, **piece}]}) for piece in pieces]
    return [*made, chunk({}, "tool_calls")]


def the_call(*pieces: dict[str, Any]) -> dict[str, Any]:
    answer = join_chunks(pieces_of_a_call(*pieces))
    assert answer is not None
    (call,) = answer.choices[0].message.tool_calls or []
    return call.model_dump(exclude_unset=True)


def test_the_input_of_a_custom_tool_adds_up_as_arguments_do() -> None:
    call = the_call(
        {"id": "a", "type": "custom", "custom": {"name": "shell", "input": ""}},
        {"custom": {"input": "ls "}},
        {"custom": {"input": "-l", "name": "", "note": 1}},
        {"custom": None},
        {"custom": {"name": "shell", "input": None}},
    )

    custom = {"name": "shell", "input": "ls -l", "note": 1}
    assert call == {"id": "a", "type": "custom", "custom": custom}


def test_a_custom_tool_may_be_called_with_nothing() -> None:
    call = the_call({"id": "a", "type": "custom", "custom": {"name": "f"}})

    assert call == {"id": "a", "type": "custom", "custom": {"name": "f", "input": ""}}


@pytest.mark.parametrize("custom", ["text", 5, [1], {"name": 5, "input": {"a": 1}}])
def test_a_custom_call_of_another_shape_is_kept(custom: Any) -> None:
    call = the_call({"id": "a", "type": "custom", "custom": custom}, {"custom": None})

    assert call == {"id": "a", "type": "custom", "custom": custom}


def test_an_input_in_two_shapes_is_text_if_any_of_it_is() -> None:
    call = the_call(
        {"type": "custom", "custom": {"input": {"a": 1}}},
        {"custom": {"input": "x"}},
        {"custom": {"input": [2]}},
        {"custom": {"input": "y"}},
    )

    assert call["custom"]["input"] == "xy"


def test_bytes_of_a_custom_call_are_counted() -> None:
    found = joined(
        *pieces_of_a_call(
            {"type": "custom", "custom": {"name": "f", "input": "é"}}, {"custom": {"input": "ab"}}
        )
    )

    assert found.output_bytes == 1 + 2 + 2


def test_a_custom_call_apart_and_together_again_is_the_same() -> None:
    answer = join_chunks(
        pieces_of_a_call(
            {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}, "signature": "s"}
        )
    )

    assert answer is not None
    assert join_chunks(split_completion(answer)) == answer


def test_unknown_fields_of_a_call_and_of_its_function_are_kept() -> None:
    call = the_call(
        {"id": "a", "signature": "s", "function": {"name": "f", "arguments": "{", "copy": 1}},
        {"signature": None, "function": {"arguments": "}", "json": 2}},
    )

    function = {"name": "f", "arguments": "{}", "copy": 1, "json": 2}
    assert call == {"id": "a", "type": "function", "signature": "s", "function": function}


def test_what_was_said_aloud_adds_up_as_text_does() -> None:
    pieces = [
        {"id": "a", "data": "AA", "transcript": "Hel"},
        {"data": "BB", "transcript": "lo"},
        {"expires_at": 5},
    ]

    answer = joined(*(chunk({"audio": piece}) for piece in pieces), chunk({}, "stop")).completion()

    assert answer is not None
    said = answer.choices[0].message.audio.to_dict()
    assert said == {"id": "a", "data": "AABB", "transcript": "Hello", "expires_at": 5}


def test_audio_of_another_shape_is_kept_and_a_moderation_is_the_answers() -> None:
    answer = joined(
        chunk({"audio": "AA"}, obfuscation="xx"), chunk({}, "stop", moderation={"input": None})
    ).completion()

    assert answer is not None
    assert answer.choices[0].message.audio == "AA"
    assert answer.moderation == {"input": None}
    assert answer.model_extra == {}
    again = join_chunks(split_completion(answer))
    assert again == answer


def test_only_what_is_some_of_the_answer_counts_as_a_piece() -> None:
    empty = [chunk({"role": "assistant", "content": ""}), chunk({}, "stop", x=1)]
    said: list[dict[str, Any]] = [
        {"content": "a"},
        {"refusal": "no"},
        {"reasoning_content": "so"},
        {"tool_calls": [CALL]},
        {"function_call": {"name": "g"}},
        {"audio": {"data": "AA"}},
    ]

    found = joined(*empty, *(chunk(delta) for delta in said))

    assert (found.chunks, found.pieces) == (8, 6)


@pytest.mark.parametrize(
    "field",
    ["content", "refusal", "reasoning_content", "tool_calls", "function_call", "custom", "audio"],
)
def test_pieces_are_joined_once_and_not_added_up(field: str) -> None:
    found = Joined()
    for number in range(3):
        piece = chunk({"content": None})
        delta, text = piece.choices[0].delta, Unsummed(number)
        if field == "tool_calls":
            arguments = FunctionCallDelta.model_construct(arguments=text)
            delta.tool_calls = [ToolCallDelta.model_construct(index=0, function=arguments)]
        elif field == "custom":
            custom: dict[str, Any] = {"index": 0, "type": "custom", "custom": {"input": text}}
            delta.tool_calls = [ToolCallDelta.model_construct(**custom)]
        elif field == "function_call":
            delta.function_call = FunctionCallDelta.model_construct(name="f", arguments=text)
        elif field == "audio":
            delta.audio = AudioDelta.model_construct(data=text, transcript=text)
        else:
            setattr(delta, field, text)
        found.add(piece)

    answer = found.completion()

    assert answer is not None
    assert "012" in answer.choices[0].message.model_dump_json()
