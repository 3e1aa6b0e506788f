"""Recorded answers of every provider as responses, and sent back by the next request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests._api.responses.sdk import (
    CREATED,
    ID,
    check_response,
    rebuilt,
    streamed,
    wanted,
)
from tests.contract import expectation
from tests.contract.recordings import ENDED, STREAMS, WHOLE, provider_for
from tests.support.exchanges import asked, response, run_decoder

from trunkline._api.responses import ResponseEvents, whole_response
from trunkline.providers.joining import join_chunks
from trunkline.types.chat import ChatCompletion, ChatCompletionChunk, Usage

JSON = dict[str, Any]

RESULT = "It is done."
NEXT = {"role": "user", "content": "Go on."}
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

COMPLETED = [p for p in ENDED if p.values[0].expected["finish_reason"] not in INCOMPLETE]


def completion_of(recording: expectation.Recording) -> ChatCompletion:
    exchange = asked(recording.model).exchange()
    answer = response(recording.body, headers=recording.headers)
    said: ChatCompletion = provider_for(recording).parse(answer, exchange)
    return said


def chunks_of(
    recording: expectation.Recording,
) -> tuple[list[ChatCompletionChunk], Usage | None]:
    exchange = asked(recording.model, params={"stream": True}).exchange()
    decoder = provider_for(recording).decoder(exchange)
    return run_decoder(decoder, recording.body), decoder.usage


def check(recording: expectation.Recording, said: JSON) -> None:
    """Assert that a response says what a recording expects."""
    expected = recording.expected
    read = check_response(said)
    assert read.output_text == (expected["content"] or "")
    thoughts = [s["text"] for i in said["output"] if i["type"] == "reasoning" for s in i["summary"]]
    told = (expected["reasoning"] or "") + (expected.get("tool_plan") or "")
    assert "".join(thoughts) == told
    calls = [i for i in said["output"] if i["type"] == "function_call"]
    expectation._check_calls(
        [{"id": c["call_id"], "name": c["name"], "arguments": c["arguments"]} for c in calls],
        expected["tool_calls"],
    )
    reason = INCOMPLETE.get(expected["finish_reason"])
    assert said["status"] == ("incomplete" if reason else "completed")
    assert said["incomplete_details"] == ({"reason": reason} if reason else None)
    check_usage(expected["usage"], said["usage"])


def check_usage(expected: JSON | None, said: JSON | None) -> None:
    if expected is None or said is None:
        assert expected is said is None
        return
    told = {
        "prompt_tokens": said["input_tokens"],
        "completion_tokens": said["output_tokens"],
        "total_tokens": said["total_tokens"],
        **said["input_tokens_details"],
        **said["output_tokens_details"],
    }
    assert told == {name: expected.get(name) or 0 for name in expectation.USAGE}


def without_parsed(value: Any) -> Any:
    """Leave out what the SDK adds to what it rebuilds."""
    if isinstance(value, list):
        return [without_parsed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {n: without_parsed(v) for n, v in value.items() if not n.startswith("parsed")}


def sent_after(recording: expectation.Recording, messages: list[JSON]) -> JSON:
    """Return the body of the request that carries a conversation on."""
    params = {"messages": messages}
    request = provider_for(recording).build_request(asked(recording.model, params=params))
    body: JSON = json.loads(request.http.body)
    for message in body.get("messages", ()):
        # OpenAI's own words go out as they are, and nothing may be said in several ways.
        for name in ("content", "tool_calls", "annotations"):
            if not message.get(name):
                message.pop(name, None)
    return body


def after_chat(recording: expectation.Recording, answer: ChatCompletion) -> JSON:
    """Return the next request of who asked by chat."""
    message = answer.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": RESULT}
        for call in message.tool_calls or ()
    ]
    said: Any = message
    return sent_after(recording, [NEXT, said, *results, NEXT])


def after_response(recording: expectation.Recording, said: JSON) -> JSON:
    """Return the next request of who asked by responses, and sends the SDK's items back."""
    items = [item.to_dict() for item in check_response(said).output]
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": RESULT}
        for item in items
        if item["type"] == "function_call"
    ]
    body = json.loads(json.dumps([NEXT, *items, *results, NEXT]))
    return sent_after(recording, wanted(input=body).chat["messages"])


@pytest.mark.parametrize("recording", WHOLE)
def test_whole_answer_is_a_response(recording: expectation.Recording) -> None:
    completion = completion_of(recording)

    said = whole_response(wanted(), completion, response_id=ID, created=CREATED)

    check(recording, said)
    assert said["model"] == completion.model


@pytest.mark.parametrize("recording", ENDED)
def test_stream_is_the_events_of_a_response(recording: expectation.Recording) -> None:
    said, usage = chunks_of(recording)

    events = streamed(said, usage=usage)

    check(recording, events[-1]["response"])


@pytest.mark.parametrize("recording", COMPLETED[::3])
def test_the_sdk_rebuilds_the_response_from_the_events(recording: expectation.Recording) -> None:
    said, usage = chunks_of(recording)
    events = streamed(said, usage=usage)

    final = rebuilt(events)

    assert final.output_text == (recording.expected["content"] or "")
    assert without_parsed(final.to_dict(mode="json")) == events[-1]["response"]


@pytest.mark.parametrize("recording", [p for p in STREAMS if not p.values[0].is_ended])
def test_stream_that_breaks_off_fails_with_what_came(recording: expectation.Recording) -> None:
    said, _ = chunks_of(recording)
    events = ResponseEvents(wanted(stream=True), response_id=ID, created=CREATED)
    told = [e for chunk in said for e in events.feed(chunk)]

    (failed,) = events.fail("overloaded_error", "it broke off")

    deltas = [e["delta"] for e in told if e["type"] == "response.output_text.delta"]
    read = check_response(failed["response"])
    assert read.output_text == "".join(deltas) == (recording.expected["content"] or "")
    assert read.status == "failed"


@pytest.mark.parametrize("recording", WHOLE)
def test_whole_answer_goes_back_as_by_chat(recording: expectation.Recording) -> None:
    answer = completion_of(recording)

    said = whole_response(wanted(), answer, response_id=ID, created=CREATED)

    assert after_response(recording, said) == after_chat(recording, answer)


@pytest.mark.parametrize("recording", ENDED)
def test_streamed_answer_goes_back_as_by_chat(recording: expectation.Recording) -> None:
    said, usage = chunks_of(recording)
    answer = join_chunks(said, usage)
    assert answer is not None

    events = streamed(said, usage=usage)

    assert after_response(recording, events[-1]["response"]) == after_chat(recording, answer)
