"""Whole answers as responses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from tests._api.responses.sdk import CREATED, ID, check_response, completion, wanted

from trunkline._api.responses import Wanted, whole_response

JSON = dict[str, Any]

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CUSTOM = {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "x"}}
CITED = {"start_index": 0, "end_index": 2, "title": "t", "url": "https://a"}
TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97]}


def said(asked: Wanted | None = None, **message: Any) -> JSON:
    """Return the checked response that an answer makes."""
    response = whole_response(
        asked or wanted(), completion(**message), response_id=ID, created=CREATED
    )
    check_response(response)
    return response


def text(words: str, **more: Any) -> JSON:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": [], **more}


def message(index: int, *content: JSON, **more: Any) -> JSON:
    item = {"id": f"msg_0a1b_{index}", "type": "message", "role": "assistant"}
    return {**item, "content": list(content), "status": "completed", **more}


def thought(index: int, words: str, **more: Any) -> JSON:
    summary = [{"type": "summary_text", "text": words}]
    item = {"id": f"rs_0a1b_{index}", "type": "reasoning", "summary": summary}
    return {**item, "status": "completed", **more}


def call(index: int, **more: Any) -> JSON:
    item = {"id": f"fc_0a1b_{index}", "type": "function_call", "call_id": "call_1", "name": "f"}
    return {**item, "arguments": '{"a": 1}', "status": "completed", **more}


def custom(index: int) -> JSON:
    item = {"id": f"ctc_0a1b_{index}", "type": "custom_tool_call", "call_id": "call_2"}
    return {**item, "name": "c", "input": "x", "status": "completed"}


REFUSAL = {"type": "refusal", "refusal": "no"}
OWN = {"thoughtSignature": "s"}

OUTPUTS: list[tuple[JSON, list[JSON]]] = [
    ({"content": "a"}, [message(0, text("a"))]),
    ({"content": ""}, [message(0, text(""))]),
    ({"content": None}, [message(0, text(""))]),
    ({"content": None, "refusal": "no"}, [message(0, REFUSAL)]),
    ({"content": "a", "refusal": "no"}, [message(0, text("a"), REFUSAL)]),
    ({"content": None, "tool_calls": [CALL]}, [call(0)]),
    ({"content": "", "tool_calls": [CALL]}, [call(0)]),
    ({"content": None, "tool_calls": [CUSTOM]}, [custom(0)]),
    ({"content": "a", "tool_calls": [CALL, CUSTOM]}, [message(0, text("a")), call(1), custom(2)]),
    ({"content": "a", "reasoning_content": "hm"}, [thought(0, "hm"), message(1, text("a"))]),
    (
        {"content": None, "reasoning_content": "hm", "tool_calls": [CALL]},
        [thought(0, "hm"), call(1)],
    ),
    ({"content": None, "reasoning_content": "hm"}, [thought(0, "hm"), message(1, text(""))]),
    # What a provider left stands with the call, or with the last item for the whole message.
    ({"content": None, "tool_calls": [{**CALL, "google": OWN}]}, [call(0, google=OWN)]),
    ({"content": "a", "anthropic": OWN}, [message(0, text("a"), of_message={"anthropic": OWN})]),
    (
        {"content": "a", "google": {"x": 1}, "tool_calls": [{**CALL, "google": OWN}]},
        [message(0, text("a")), call(1, google=OWN, of_message={"google": {"x": 1}})],
    ),
    ({"content": None, "tool_calls": [{**CALL, "status": "odd", "index": 7}]}, [call(0)]),
    ({"content": "a", "odd": None}, [message(0, text("a"))]),
    (
        {"content": "a", "audio": {"id": "1", "data": "AA==", "expires_at": 1, "transcript": "b"}},
        [
            message(
                0,
                text("a"),
                of_message={
                    "audio": {"id": "1", "data": "AA==", "expires_at": 1, "transcript": "b"}
                },
            )
        ],
    ),
    (
        {"content": "ab", "annotations": [{"type": "url_citation", "url_citation": CITED}]},
        [message(0, text("ab", annotations=[{"type": "url_citation", **CITED}]))],
    ),
    (
        {"content": "ab", "annotations": [{"type": "note"}, 7, {"url_citation": {"url": "u"}}]},
        [message(0, text("ab"))],
    ),
    (
        {"content": "a", "logprobs": {"content": [{**TOKEN, "top_logprobs": [TOKEN]}]}},
        [message(0, text("a", logprobs=[{**TOKEN, "top_logprobs": [TOKEN]}]))],
    ),
    (
        {"content": "ä", "logprobs": {"content": [{"token": "ä", "logprob": -1, "bytes": None}]}},
        [
            message(
                0,
                text(
                    "ä",
                    logprobs=[
                        {"token": "ä", "logprob": -1, "bytes": [195, 164], "top_logprobs": []}
                    ],
                ),
            )
        ],
    ),
    (
        {"content": "a", "logprobs": {"content": [7, {"token": 7}, {"token": "a"}]}},
        [message(0, text("a"))],
    ),
    ({"content": "a", "logprobs": {"tokens": ["a"]}}, [message(0, text("a"))]),
]


@pytest.mark.parametrize(("answer", "output"), OUTPUTS)
def test_answer_is_said_in_items(answer: JSON, output: list[JSON]) -> None:
    assert said(**answer)["output"] == output


@pytest.mark.parametrize(
    ("finish_reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("function_call", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_finish_reason_is_a_status(finish_reason: str, status: str, details: Any) -> None:
    response = said(finish_reason=finish_reason, content="a", tool_calls=[CALL])

    assert response["status"] == status
    assert response["incomplete_details"] == details
    assert [item["status"] for item in response["output"]] == ["completed", status]


def test_usage_is_said_in_a_responses_words() -> None:
    assert said(content="a", usage=USAGE)["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }


def test_what_is_billed_beside_the_counts_stays() -> None:
    usage = {**USAGE, "billed_units": {"input_tokens": 1}}

    assert said(content="a", usage=usage)["usage"]["billed_units"] == {"input_tokens": 1}


def test_unknown_usage_is_null() -> None:
    assert said(content="a")["usage"] is None


def test_response_tells_who_answered_and_what_was_asked() -> None:
    response = said(wanted(model="auto", instructions="Be nice.", temperature=0.5), content="a")

    assert response["id"] == ID
    assert response["object"] == "response"
    assert response["created_at"] == CREATED
    assert response["model"] == "m-1"
    assert response["instructions"] == "Be nice."
    assert response["temperature"] == 0.5
    assert response["store"] is False
    assert response["error"] is None


@pytest.mark.parametrize(("tier", "told"), [("flex", "flex"), ("standard", None), (None, None)])
def test_service_tier_is_told_where_responses_know_it(tier: str | None, told: str | None) -> None:
    answer = completion(content="a")
    answer.service_tier = tier

    response = whole_response(wanted(), answer, response_id=ID, created=CREATED)

    assert response["service_tier"] == told


def test_routing_is_told_where_it_is_given() -> None:
    given = {"id": "r", "provider": "p"}

    response = whole_response(
        wanted(), completion(content="a"), response_id=ID, created=CREATED, trunkline=given
    )

    assert response["trunkline"] == given
    assert "trunkline" not in said(content="a")


def test_only_the_first_choice_is_an_answer() -> None:
    answer = completion(content="a")
    answer.choices.append(answer.choices[0].model_copy(update={"index": 1}))

    response = whole_response(wanted(), answer, response_id=ID, created=CREATED)

    assert response["output"] == [message(0, text("a"))]


def test_every_form_of_a_request_is_echoed_as_the_sdk_reads_it() -> None:
    class Answer(BaseModel):
        a: int

    schema = {"type": "json_schema", "name": "n", "schema": Answer.model_json_schema()}
    asked = wanted(
        tools=[
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
            {"googleSearch": {}},
        ],
        tool_choice={
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "f"}],
        },
        text={"format": schema, "verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
        metadata={"a": "b"},
    )

    read = check_response(said(asked, content='{"a": 1}'))

    assert [tool.type for tool in read.tools] == ["function", "custom"]
    assert read.text is not None
    assert read.text.format is not None
    assert read.text.format.type == "json_schema"
    assert read.metadata == {"a": "b"}
