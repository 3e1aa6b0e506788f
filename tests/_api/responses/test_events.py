"""Streams as the events of a response; ``sdk.streamed`` checks each against SDK and grammar."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tests._api.responses.sdk import (
    CREATED,
    ID,
    check_events,
    check_response,
    chunks,
    completion,
    rebuilt,
    streamed,
    wanted,
)

from trunkline._api.responses import ResponseEvents, whole_response
from trunkline.providers.joining import join_chunks, split_completion
from trunkline.types.chat import ChatCompletionChunk, Usage

JSON = dict[str, Any]

USAGE = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)


def begun(index: int, name: str = "f", arguments: str = "", **more: Any) -> JSON:
    """Make the delta that begins a call."""
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
    return {"tool_calls": [{**call, **more}]}


def more(index: int, arguments: str) -> JSON:
    """Make a delta with a piece of the arguments of a call."""
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def told(events: list[JSON]) -> list[str]:
    """Return the types of the events between the first two and the last, without the prefix."""
    return [e["type"].removeprefix("response.") for e in events[2:-1]]


def output(events: list[JSON]) -> list[JSON]:
    said: list[JSON] = events[-1]["response"]["output"]
    return said


def test_text_is_told_piece_by_piece() -> None:
    events = streamed(chunks({"role": "assistant"}, {"content": "He"}, {"content": "llo"}))

    assert told(events) == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert events[-1]["type"] == "response.completed"


def test_first_event_has_no_output_and_the_model_that_was_asked() -> None:
    events = streamed(chunks({"content": "a"}), wanted(model="auto", stream=True))

    assert events[0]["response"]["output"] == []
    assert events[0]["response"]["model"] == "auto"
    assert events[0]["response"]["status"] == "in_progress"
    assert events[-1]["response"]["model"] == "m-1"


def test_each_piece_is_told_with_its_chunk() -> None:
    events = ResponseEvents(wanted(stream=True), response_id=ID, created=CREATED)
    events.begin()

    deltas = [
        [e["delta"] for e in events.feed(chunk) if "delta" in e]
        for chunk in chunks({"content": "a"}, {"content": "b"}, begun(0), more(0, "{}"))
    ]

    assert deltas == [["a"], ["b"], [], ["{}"], []]


def test_thoughts_end_where_the_answer_begins() -> None:
    events = streamed(
        chunks({"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "a"})
    )

    assert told(events)[:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
    ]
    assert [item["type"] for item in output(events)] == ["reasoning", "message"]


def test_refusal_has_its_own_events() -> None:
    events = streamed(chunks({"refusal": "n"}, {"refusal": "o"}))

    assert told(events)[1:6] == [
        "content_part.added",
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
    ]
    assert output(events)[0]["content"] == [{"type": "refusal", "refusal": "no"}]


def test_text_before_a_call_ends_before_it() -> None:
    events = streamed(chunks({"content": "a"}, begun(0), more(0, '{"a"'), more(0, ": 1}")))

    assert told(events)[3:] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert output(events)[1]["arguments"] == '{"a": 1}'


def test_parallel_calls_are_told_one_after_the_other() -> None:
    events = streamed(chunks(begun(0), more(0, "{}"), begun(1, "g"), more(1, '{"b": 2}')))

    assert [(c["call_id"], c["name"], c["arguments"]) for c in output(events)] == [
        ("call_0", "f", "{}"),
        ("call_1", "g", '{"b": 2}'),
    ]
    done = [e for e in events if e["type"].endswith("arguments.done")]
    assert [(e["output_index"], e["name"]) for e in done] == [(0, "f"), (1, "g")]


def test_interleaved_calls_are_put_in_order() -> None:
    events = streamed(
        chunks(
            begun(0),
            begun(1, "g"),
            more(1, '{"b"'),
            more(0, '{"a"'),
            more(1, ": 2}"),
            more(0, ": 1}"),
        )
    )

    assert [c["arguments"] for c in output(events)] == ['{"a": 1}', '{"b": 2}']


def test_call_that_is_no_json_yet_is_waited_for() -> None:
    events = streamed(chunks(begun(0, arguments='{"a": {}'), begun(1, "g", "{}"), more(0, "}")))

    assert [c["arguments"] for c in output(events)] == ['{"a": {}}', "{}"]


def test_call_whose_arguments_come_at_the_very_end_loses_none() -> None:
    events = streamed(chunks(begun(0), begun(1, "g", '{"b": 2}'), {"content": "a"}, more(0, "{}")))

    assert [item.get("arguments") for item in output(events)] == ["{}", '{"b": 2}', None]


def test_text_after_a_call_is_a_message_of_its_own() -> None:
    events = streamed(chunks({"content": "a"}, begun(0, arguments="{}"), {"content": "b"}))

    assert [item["type"] for item in output(events)] == ["message", "function_call", "message"]
    assert check_response(events[-1]["response"]).output_text == "ab"


def test_custom_call_has_its_own_events() -> None:
    first = {"index": 0, "id": "call_0", "type": "custom", "custom": {"name": "c", "input": ""}}
    pieces = [{"index": 0, "custom": {"input": text}} for text in ("x", "}", "y")]

    events = streamed(chunks(*({"tool_calls": [call]} for call in (first, *pieces)), begun(1)))

    assert told(events)[:6] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert output(events)[0]["input"] == "x}y"


def test_what_a_provider_leaves_at_the_end_stands_with_the_last_item() -> None:
    left: JSON = {"anthropic": {"content": []}}

    events = streamed(chunks({"content": "a"}, begun(0, arguments="{}", google={"s": 1}), left))

    assert output(events)[0].keys().isdisjoint({"anthropic", "of_message"})
    assert output(events)[1]["google"] == {"s": 1}
    assert output(events)[1]["of_message"] == left


def test_citations_are_told_when_the_text_ends() -> None:
    cited = {"start_index": 0, "end_index": 1, "title": "t", "url": "https://a"}
    note = {"type": "url_citation", "url_citation": cited}

    events = streamed(chunks({"content": "a"}, {"annotations": [note]}))

    assert told(events)[3:5] == ["output_text.annotation.added", "output_text.done"]
    assert output(events)[0]["content"][0]["annotations"] == [{"type": "url_citation", **cited}]


def test_logprobs_are_told_with_their_text_or_at_its_end() -> None:
    said = chunks({"content": "a"}, {})
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    said[0].choices[0].logprobs = {"content": [token]}
    said[1].choices[0].logprobs = {"content": [token]}

    events = streamed(said)

    (delta,) = [e for e in events if e["type"] == "response.output_text.delta"]
    (done,) = [e for e in events if e["type"] == "response.output_text.done"]
    assert delta["logprobs"] == [token]
    assert done["logprobs"] == [token, token]
    assert output(events)[0]["content"][0]["logprobs"] == [token, token]


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_cut_answer_is_incomplete(finish_reason: str, reason: str) -> None:
    said = chunks({"content": "a"}, begun(0, arguments='{"a"'), finish_reason=finish_reason)

    events = streamed(said)

    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": reason}
    assert [item["status"] for item in output(events)] == ["completed", "incomplete"]


def test_stream_without_a_word_on_its_end_was_cut() -> None:
    events = streamed(chunks({"content": "a"})[:1])

    assert events[-1]["type"] == "response.incomplete"


def test_answer_without_words_is_an_empty_message() -> None:
    events = streamed(chunks({"role": "assistant"}, {"content": ""}))

    assert check_response(events[-1]["response"]).output_text == ""
    assert [item["type"] for item in output(events)] == ["message"]


def test_usage_and_routing_come_with_the_last_event() -> None:
    events = ResponseEvents(wanted(stream=True), response_id=ID, created=CREATED)
    for chunk in chunks({"content": "a"}):
        events.feed(chunk)

    last = events.end(USAGE, {"provider": "p"})[-1]["response"]

    assert last["usage"]["total_tokens"] == 3
    assert last["trunkline"] == {"provider": "p"}


def test_unknown_usage_is_null() -> None:
    assert streamed(chunks({"content": "a"}))[-1]["response"]["usage"] is None


def test_only_the_first_choice_is_told() -> None:
    said = chunks({"content": "a"})
    said[0].choices.append(said[0].choices[0].model_copy(update={"index": 1}))

    assert output(streamed(said))[0]["content"][0]["text"] == "a"


def test_usage_chunk_says_nothing() -> None:
    events = ResponseEvents(wanted(stream=True), response_id=ID, created=CREATED)
    top = {"id": "c", "created": CREATED, "model": "m-1", "service_tier": "flex", "choices": []}

    assert events.feed(ChatCompletionChunk.model_validate(top)) == []
    assert events.end(USAGE)[-1]["response"]["service_tier"] == "flex"


@pytest.mark.parametrize(
    ("code", "told_code"),
    [
        ("server_error", "server_error"),
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("overloaded_error", "server_error"),
    ],
)
def test_failure_tells_its_error_and_what_came_before(code: str, told_code: str) -> None:
    events = ResponseEvents(wanted(stream=True), response_id=ID, created=CREATED)
    said = events.begin()
    for chunk in chunks({"reasoning_content": "hm"}, {"content": "a"})[:2]:
        said += events.feed(chunk)

    said += events.fail(code, "it broke off")

    check_events(said)
    failed = said[-1]["response"]
    assert failed["error"] == {"code": told_code, "message": "it broke off"}
    assert [item["status"] for item in failed["output"]] == ["completed", "incomplete"]
    assert check_response(failed).output_text == "a"


def test_failure_before_any_content_has_no_output() -> None:
    events = ResponseEvents(wanted(stream=True), response_id=ID, created=CREATED)
    said = [*events.begin(), *events.fail("server_error", "no")]

    check_events(said)
    assert said[-1]["response"]["output"] == []


class City(BaseModel):
    name: str


def test_the_sdk_parses_a_streamed_answer() -> None:
    events = streamed(chunks({"content": '{"name": '}, {"content": '"Paris"}'}))

    final = rebuilt(events, text_format=City)

    assert final.output_parsed == City(name="Paris")


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
ARGUMENTS = st.sampled_from(["{}", '{"a": 1}', '{"b": {"c": "}"}}'])


@st.composite
def _cut(draw: Any, whole: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [whole[i:j] for i, j in zip([0, *places], [*places, len(whole)], strict=True)]


@st.composite
def _streams(draw: Any) -> list[JSON]:
    """Deltas as providers send them: thoughts, text, refusal, calls; calls may be interleaved."""
    deltas: list[JSON] = [
        {name: piece}
        for name in ("reasoning_content", "content", "refusal")
        for piece in draw(_cut(draw(TEXT)))
    ]
    count = draw(st.integers(0, 3))
    pieces = [(i, piece) for i in range(count) for piece in draw(_cut(draw(ARGUMENTS)))]
    if draw(st.booleans()):
        deltas += [begun(i, google={"number": i}) for i in range(count)]
        order = draw(st.permutations(range(count)))
        return deltas + [more(i, p) for i, p in sorted(pieces, key=lambda p: order[p[0]])]
    for index in range(count):
        deltas.append(begun(index, google={"number": index}))
        deltas += [more(i, p) for i, p in pieces if i == index]
    return deltas


@given(_streams(), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
def test_whole_and_streamed_answers_are_the_same_response(deltas: list[JSON], finish: str) -> None:
    said = chunks(*deltas, {"cohere": {"plan": 1}}, finish_reason=finish)
    joined = join_chunks(said, USAGE)
    assert joined is not None

    events = streamed(said, usage=USAGE)

    asked = wanted(stream=True)
    whole = whole_response(asked, joined, response_id=ID, created=CREATED)
    assert events[-1]["response"] == whole


def test_answer_taken_apart_is_the_same_response() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = completion(content="a", reasoning_content="hm", tool_calls=[call], cohere={"x": 1})

    events = streamed(split_completion(answer))

    asked = wanted(stream=True)
    whole = whole_response(asked, answer, response_id=ID, created=CREATED)
    assert events[-1]["response"] == whole
