"""``chat.completions.stream`` beside the genuine SDK's helper: the same bytes, the same events."""

from __future__ import annotations

import pickle
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic_core import from_json
from tests.support import beside
from tests.support.beside import OURS, Answering
from tests.support.faces import DONE, HELLO, USAGE, event, stream_of
from tests.support.odd_names import ODD_NAMES

import trunkline
from trunkline import (
    AnswerMismatchError,
    AsyncRouter,
    ConfigurationError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    Router,
    StreamInterruptedError,
    UnparsedAnswerError,
)
from trunkline.types.chat import FunctionCall


class Event(BaseModel):
    """Something that happens."""

    name: str
    day: Literal["mon", "tue"]
    people: list[str] = []


class Weather(BaseModel):
    """The weather of a place."""

    place: str
    days: int | None = None


STRICT_DICT: dict[str, Any] = {
    "type": "function",
    "function": {"name": "add", "strict": True, "parameters": {"type": "object"}},
}
LOOSE: dict[str, Any] = {"type": "function", "function": {"name": "loose", "parameters": {}}}
TOOLS = [Weather, STRICT_DICT, LOOSE]
ROLE = event({"role": "assistant", "content": "", "refusal": None})
STOP = event(finish="stop")
WHOLE = ('{"name": "ma', 'rket", "day": "mon", "peo', 'ple": ["bo", "al"]}')


def call(index: int, arguments: str | None = None, name: str | None = None) -> dict[str, Any]:
    function: dict[str, Any] = {} if arguments is None else {"arguments": arguments}
    piece: dict[str, Any] = {"index": index, "function": function}
    if name is not None:
        function["name"] = name
        piece |= {"id": f"call-{index}", "type": "function"}
    return piece


def calls(*pieces: dict[str, Any]) -> bytes:
    return event({"tool_calls": list(pieces)})


def token(text: str) -> dict[str, Any]:
    return {"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []}


def scored(name: str, text: str) -> bytes:
    logprobs = {"content": None, "refusal": None, name: [token(text)]}
    choice = {"index": 0, "delta": {name: text}, "finish_reason": None, "logprobs": logprobs}
    return event(choices=[choice])


def of(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return event(choices=[{"index": index, "delta": delta, "finish_reason": finish}])


SCENARIOS: dict[str, tuple[list[bytes], dict[str, Any]]] = {
    "text": ([ROLE, event("Hel"), event("lo"), STOP], {}),
    "text of which the usage is asked for": (
        [ROLE, event("Hello"), STOP, event(usage=USAGE)],
        {"stream_options": {"include_usage": True}},
    ),
    "text with a tool that is not called": ([ROLE, event("Hi"), STOP], {"tools": TOOLS}),
    "structured output": (
        [ROLE, *map(event, WHOLE), STOP],
        {"response_format": Event},
    ),
    "structured output after white space": (
        [ROLE, event(" "), event("\n"), *map(event, WHOLE), STOP],
        {"response_format": Event},
    ),
    "a format as a dict": (
        [ROLE, event("{}"), STOP],
        {"response_format": {"type": "json_object"}},
    ),
    "a refusal": (
        [event({"role": "assistant", "refusal": ""}), event({"refusal": "I"}),
         event({"refusal": " won't"}), STOP],
        {"response_format": Event},
    ),
    "one call": (
        [ROLE, calls(call(0, "", "Weather")), calls(call(0, '{"pla')),
         calls(call(0, 'ce": "Bonn"}')), event(finish="tool_calls")],
        {"tools": TOOLS},
    ),
    "calls one after the other": (
        [event({"role": "assistant", "content": None}),
         calls(call(0, "", "Weather")), calls(call(0, '{"place": "Bonn", "days": 3}')),
         calls(call(1, "", "add")), calls(call(1, '{"a": 1')), calls(call(1, ', "b": 2}')),
         calls(call(2, "{}", "loose")), event(finish="tool_calls")],
        {"tools": TOOLS, "parallel_tool_calls": True},
    ),
    "a call of a tool that was not offered": (
        [ROLE, calls(call(0, '{"x": 1}', "other")), event(finish="tool_calls")],
        {"tools": TOOLS},
    ),
    "text and then a call": (
        [ROLE, event("I look."), calls(call(0, "", "Weather")),
         calls(call(0, '{"place": "Ulm"}')), event(finish="tool_calls")],
        {"tools": TOOLS},
    ),
    "log probabilities of text": (
        [ROLE, scored("content", "Hel"), scored("content", "lo"), STOP],
        {"logprobs": True},
    ),
    "log probabilities of a refusal": (
        [event({"role": "assistant"}), scored("refusal", "No"), scored("refusal", "."), STOP],
        {"logprobs": True},
    ),
    "two answers": (
        [of(0, {"role": "assistant", "content": "a"}), of(1, {"role": "assistant", "content": "x"}),
         of(0, {"content": "b"}), of(1, {"content": "y"}), of(0, {}, "stop"), of(1, {}, "stop")],
        {"n": 2},
    ),
    "text cut at its length": ([ROLE, event("Hel"), event(finish="length")], {}),
    "structured output cut at its length": (
        [ROLE, event('{"name": "ma'), event(finish="length")],
        {"response_format": Event},
    ),
    "a call cut at its length": (
        [ROLE, calls(call(0, '{"pla', "Weather")), event(finish="length")],
        {"tools": TOOLS},
    ),
    "a filter": (
        [ROLE, event('{"name": "ma'), event(finish="content_filter")],
        {"response_format": Event},
    ),
    "the wrong type": ([ROLE, event('{"name": 5}'), STOP], {"response_format": Event}),
    "wrong arguments": (
        [ROLE, calls(call(0, '{"place": 5}', "Weather")), event(finish="tool_calls")],
        {"tools": TOOLS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", OURS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_events_are_those_of_the_sdk_name_by_name_and_field_by_field(name: str, way: str) -> None:
    pieces, params = SCENARIOS[name]
    body = b"".join(pieces) + DONE

    theirs = beside.stream("sdk", body, **params)
    mine = beside.stream(way, body, **params)

    assert [e["type"] for e in mine.events] == [e["type"] for e in theirs.events]
    assert mine.events == theirs.events
    assert mine.error == theirs.error
    assert mine.answer == theirs.answer
    assert theirs.completion in (
        None,
        mine.completion,
    )  # theirs holds none where pydantic's is raised
    for field in ("response_format", "tools"):
        assert mine.asked.get(field) == theirs.asked.get(field)


class Fixed:
    """A router whose provider answers with these bytes."""

    def __init__(self, *pieces: bytes, done: bytes = DONE) -> None:
        self.provider = Answering(b"".join(pieces) + done)
        self.router = Router(providers=[self.provider], store=":memory:")

    def stream(self, **params: Any) -> Any:
        return self.router.chat.completions.stream(model="p/m", messages=HELLO, **params)

    def settled(self) -> Any:
        """Return the one row of the log; nothing is held any more."""
        assert len(self.router.budgets.holds()) == 0
        (record,) = self.router.usage.records()
        return record


CUT = {
    "length": (event(finish="length"), LengthFinishReasonError),
    "filter": (event(finish="content_filter"), ContentFilterFinishReasonError),
    "type": (event("5}") + STOP, AnswerMismatchError),
}


@pytest.mark.parametrize(("ending", "kind"), CUT.values(), ids=CUT)
def test_an_answer_that_cannot_be_read_is_settled_before_it_is_raised(
    ending: bytes, kind: type[UnparsedAnswerError]
) -> None:
    fixed = Fixed(ROLE, event('{"name": '), ending, event(usage=USAGE))

    with pytest.raises(kind) as raised, fixed.stream(response_format=Event) as stream:
        for _ in stream:
            pass

    record = fixed.settled()
    completion = raised.value.completion
    assert completion is not None
    assert completion.routing.id == raised.value.routing_id == record.routing_id
    assert completion.routing.actual.cost_usd == record.cost_usd
    assert completion.usage is not None
    assert completion.usage.total_tokens == USAGE["total_tokens"]
    assert raised.value.request_id == beside.REQUEST_ID
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301  # our own bytes
    assert again.completion == completion
    assert again.completion.routing == completion.routing


def test_nothing_is_sent_before_the_block_is_entered() -> None:
    fixed = Fixed(stream_of("Hello"))

    manager = fixed.stream()

    assert fixed.provider.asked == []
    with manager as stream:
        assert fixed.provider.asked != []
        assert stream.get_final_completion().choices[0].message.content == "Hello"


def test_leaving_the_block_early_settles_what_came() -> None:
    fixed = Fixed(ROLE, event("Hello"), event(" there"))

    with fixed.stream() as stream:
        types = [next(stream).type for _ in range(2)]

    assert types == ["chunk", "content.delta"]
    assert fixed.settled().cost_usd > 0
    assert list(stream) == []
    assert stream.response.choices[0].message.content.startswith("Hello")


def test_the_final_completion_has_its_routing_and_its_usage() -> None:
    fixed = Fixed(stream_of("Hello"))

    with fixed.stream() as stream:
        final = stream.get_final_completion()

    assert final.routing == stream.routing
    assert final.routing.id == fixed.settled().routing_id
    assert final.usage == trunkline.Usage(**USAGE)
    assert final._request_id == beside.REQUEST_ID


def test_until_done_reads_to_the_end_and_returns_the_stream() -> None:
    with Fixed(stream_of("Hel", "lo")).stream() as stream:
        assert stream.until_done() is stream
        assert stream.current_completion_snapshot.choices[0].message.content == "Hello"
        assert list(stream) == []


def test_a_snapshot_is_refused_before_anything_came() -> None:
    with Fixed(stream_of("Hello")).stream() as stream:
        with pytest.raises(ConfigurationError, match="first event"):
            _ = stream.current_completion_snapshot
        assert next(stream).type == "chunk"
        assert stream.current_completion_snapshot.id == "c"


def test_a_stream_closed_at_once_has_its_answer_where_all_of_it_had_come() -> None:
    with Fixed(stream_of("Hello")).stream() as stream:
        stream.close()

        assert list(stream) == []
        assert stream.get_final_completion().choices[0].message.content == "Hello"
    assert "closed" in repr(stream)


def test_a_stream_closed_half_way_is_not_taken_for_one_cut_at_its_length() -> None:
    fixed = Fixed(ROLE, event('{"name"'), done=b"")

    with fixed.stream(response_format=Event) as stream:
        assert next(stream).type == "chunk"
        stream.close()

        with pytest.raises(UnparsedAnswerError, match="closed before") as raised:
            stream.get_final_completion()

    assert type(raised.value) is UnparsedAnswerError
    assert raised.value.completion is not None
    assert raised.value.routing_id == fixed.settled().routing_id


def test_a_stream_may_be_closed_by_a_block_of_its_own() -> None:
    fixed = Fixed(stream_of("Hello"))

    with fixed.stream() as stream, stream:
        assert next(stream).type == "chunk"

    fixed.settled()


def test_a_stream_that_breaks_raises_what_a_plain_one_does() -> None:
    fixed = Fixed(ROLE, event('{"name": "ma'), done=b"")
    types: list[str] = []

    with (
        pytest.raises(StreamInterruptedError) as raised,
        fixed.stream(response_format=Event) as stream,
    ):
        types.extend(each.type for each in stream)

    assert raised.value.partial is not None
    assert raised.value.partial.choices[0].message.content == '{"name": "ma'
    fixed.settled()


def test_text_that_is_no_json_is_delivered_to_its_end_before_it_is_refused() -> None:
    fixed = Fixed(ROLE, event("Sorry, "), event("no."), STOP)
    deltas: list[str] = []

    with pytest.raises(AnswerMismatchError) as raised, fixed.stream(response_format=Event) as s:
        deltas += [each.delta for each in s if each.type == "content.delta"]

    assert raised.value.completion is not None
    assert raised.value.completion.choices[0].message.content == "Sorry, no."
    assert len(fixed.router.budgets.holds()) == 0


def test_a_call_that_comes_with_its_finish_is_done_too() -> None:
    last = of(0, {"tool_calls": [call(0, '{"place": "Ulm"}', "Weather")]}, "tool_calls")
    tools = [trunkline.pydantic_function_tool(Weather)]

    with Fixed(ROLE, last).stream(tools=tools) as stream:
        done = [each for each in stream if each.type == "tool_calls.function.arguments.done"]

    assert [each.parsed_arguments for each in done] == [Weather(place="Ulm")]


def test_calls_whose_pieces_are_mixed_are_told_apart() -> None:
    pieces = [
        calls(call(0, "", "add"), call(1, "", "add")),
        calls(call(1, '{"b": 2}'), call(0, '{"a"')),
        calls(call(0, ": 1}"), {"index": 1}),
        event(finish="tool_calls"),
    ]

    with Fixed(ROLE, *pieces).stream(tools=[STRICT_DICT]) as stream:
        final = stream.get_final_completion()

    made = final.choices[0].message.tool_calls or []
    assert [each.function.parsed_arguments for each in made] == [{"a": 1}, {"b": 2}]


def test_a_call_of_another_kind_is_left_out_and_said_so(caplog: Any) -> None:
    custom = {"index": 0, "id": "c-0", "type": "custom", "custom": {"name": "x", "input": "y"}}

    with Fixed(ROLE, event("a"), calls(custom), event(finish="tool_calls")).stream() as stream:
        types = {each.type for each in stream}
        final = stream.get_final_completion()

    assert types == {"chunk", "content.delta", "content.done"}
    assert final.choices[0].message.tool_calls is None
    assert "custom" in caplog.text


CUSTOM = [
    {"index": 0, "id": "c-0", "type": "custom", "custom": {"name": "shell", "input": ""}},
    {"index": 0, "custom": {"input": "ls "}, "signature": "s"},
    {"index": 0, "custom": {"name": "shell", "input": "-l"}},
    {"index": 0, "custom": {"name": "shell"}, "function": None},
    {"index": 0, "custom": {"input": None}},
]
WHOLE_CUSTOM = {"custom": {"name": "shell", "input": "ls -l"}, "signature": "s"}


def test_a_call_of_a_custom_tool_grows_in_the_snapshot_and_is_whole_in_the_response() -> None:
    pieces = [*map(calls, CUSTOM), calls(call(1, "{}", "loose")), event(finish="tool_calls")]
    seen: list[str] = []

    with Fixed(ROLE, *pieces).stream() as stream:
        for each in stream:
            if each.type == "chunk" and (made := each.snapshot.choices[0].message.tool_calls):
                seen.append(made[0].model_extra["custom"]["input"])
                assert pickle.loads(pickle.dumps(each.snapshot)) == each.snapshot  # noqa: S301
        snapshot, response = stream.current_completion_snapshot, stream.response

    assert seen == ["", "ls ", "ls -l", "ls -l", "ls -l", "ls -l", "ls -l"]
    custom, loose = snapshot.choices[0].message.tool_calls
    assert (custom.id, custom.type, custom.function) == ("c-0", "custom", None)
    assert custom.model_extra == {"index": 0, **WHOLE_CUSTOM}
    assert loose.function.name == "loose"
    assert from_json(snapshot.model_dump_json())["choices"][0]["message"]["tool_calls"][0] == {
        "id": "c-0", "type": "custom", "function": None, "index": 0, **WHOLE_CUSTOM,
    }  # fmt: skip
    custom, loose = response.choices[0].message.tool_calls
    assert (custom.id, custom.type, custom.function) == ("c-0", "custom", None)
    assert custom.model_extra == WHOLE_CUSTOM
    assert loose.function.name == "loose"


def test_a_plain_stream_has_the_whole_call_of_a_custom_tool() -> None:
    fixed = Fixed(ROLE, *map(calls, CUSTOM), event(finish="tool_calls"))

    with fixed.router.chat.completions.create(model="p/m", messages=HELLO, stream=True) as stream:
        said = [chunk.choices[0].delta.tool_calls for chunk in stream if chunk.choices]
        response: Any = stream.response

    assert len([calls for calls in said if calls]) == len(CUSTOM)
    assert response.choices[0].message.tool_calls[0].model_extra == WHOLE_CUSTOM


def test_a_call_of_a_custom_tool_is_the_same_events_as_the_sdks() -> None:
    body = b"".join(
        [event("I look."), *map(calls, CUSTOM), calls(call(1, "{}", "loose")),
         calls({**CUSTOM[0], "index": 2, "id": "c-2"}), event(finish="tool_calls"), DONE]
    )  # fmt: skip

    with (
        beside.genuine(body, []) as client,
        client.chat.completions.stream(model="m", messages=HELLO) as stream,
    ):
        theirs = [each.type for each in stream]
    with Fixed(body, done=b"").stream() as stream:
        mine = [each.type for each in stream]

    assert mine == theirs
    assert mine.count("tool_calls.function.arguments.done") == 1


def test_what_is_no_text_grows_in_the_snapshot_too() -> None:
    pieces = [
        event({"role": "assistant", "reasoning_content": "Let ", "notes": {"a": "x", "l": [1]}}),
        event({"reasoning_content": "me.", "notes": {"a": "y", "l": [2]}, "rank": 1}),
        event({"function_call": {"name": "f", "arguments": "{"}, "rank": 2}),
        event({"function_call": {"arguments": "}"}, "audio": {"id": "a", "data": "QU"}}),
        event({"audio": {"data": "JD"}}, extra="top"),
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "why": "end"}]),
    ]

    with Fixed(*pieces).stream() as stream:
        stream.until_done()
        snapshot = stream.current_completion_snapshot

    message = snapshot.choices[0].message
    assert message.reasoning_content == "Let me."
    assert message.function_call == FunctionCall(name="f", arguments="{}")
    assert message.audio == {"id": "a", "data": "QUJD"}
    assert message.model_extra == {"notes": {"a": "xy", "l": [1, 2]}, "rank": 2}
    assert snapshot.choices[0].model_extra == {"why": "end"}
    assert snapshot.model_extra == {"extra": "top"}
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot  # noqa: S301  # our own bytes


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_unknown_field_may_have_any_name(name: str) -> None:
    whole = call(0, '{"place": "Ulm"}', "Weather")
    whole = {**whole, name: [1], "function": {**whole["function"], name: [2]}}
    legacy = {"name": "f", "arguments": "{}", name: [6]}
    delta = {"content": "".join(WHOLE), "tool_calls": [whole], "function_call": legacy, name: [3]}
    first = {"index": 0, "delta": delta, "finish_reason": None, name: [4]}
    top: dict[str, Any] = {name: [5]}
    more = calls(call(0, ""))
    fixed = Fixed(event(choices=[first], **top), more, event(finish="tool_calls"))
    tools = [trunkline.pydantic_function_tool(Weather)]

    with fixed.stream(response_format=Event, tools=tools) as stream:
        written = [from_json(each.model_dump_json()) for each in stream]
        snapshot, final = stream.current_completion_snapshot, stream.get_final_completion()

    assert written[0]["chunk"][name] == written[0]["snapshot"][name] == [5]
    for answer in (snapshot, final):
        (choice,) = answer.choices
        (made,) = choice.message.tool_calls
        shapes = (made.function, choice.message, choice, answer, choice.message.function_call)
        assert [shape.model_extra for shape in shapes] == [{name: [n]} for n in (2, 3, 4, 5, 6)]
        assert made.model_extra[name] == [1]
        assert choice.message.parsed == Event(name="market", day="mon", people=["bo", "al"])
        assert from_json(answer.model_dump_json())["choices"][0]["message"][name] == [3]
        again = pickle.loads(pickle.dumps(answer))  # noqa: S301  # our own bytes
        assert (again, again.model_extra) == (answer, {name: [5]})
    fixed.settled()


def test_a_field_of_ours_that_a_provider_names_stays_in_the_chunk() -> None:
    piece = call(0, '{"place": "Ulm"}', "loose")
    piece["function"]["parsed_arguments"] = "odd"
    delta = {"content": "a", "tool_calls": [piece], "parsed": "odd"}
    choice = {"index": 0, "delta": delta, "finish_reason": None, "message": "odd"}

    with Fixed(event(choices=[choice]), event(finish="tool_calls")).stream() as stream:
        came = next(stream).chunk.choices[0]
        stream.until_done()
        snapshot = stream.current_completion_snapshot
        final = stream.get_final_completion()

    assert (came.model_extra, came.delta.model_extra) == ({"message": "odd"}, {"parsed": "odd"})
    for answer in (snapshot, final):
        message = answer.choices[0].message
        assert (message.content, message.parsed) == ("a", None)
        assert message.tool_calls[0].function.parsed_arguments is None
        assert "odd" not in answer.model_dump_json()


def test_events_can_be_written_as_json() -> None:
    with Fixed(*SCENARIOS["structured output"][0]).stream(response_format=Event) as stream:
        told = [each.to_json(indent=None) for each in stream]

    assert '"parsed":{"name":"market","day":"mon","people":["bo","al"]}' in told[-1]
    assert all(each.startswith("{") for each in told)


async def test_an_asynchronous_stream_is_closed_with_its_block_and_settled() -> None:
    provider = Answering(stream_of("Hel", "lo"))
    router = AsyncRouter(providers=[provider], store=":memory:")

    async with router.chat.completions.stream(model="p/m", messages=HELLO) as stream:
        first = await anext(stream)
        assert first.type == "chunk"
    async with router.chat.completions.stream(model="p/m", messages=HELLO) as whole:
        async with whole:
            assert await whole.until_done() is whole
        assert (await whole.get_final_completion()).routing == whole.routing

    assert len(await router.budgets.holds()) == 0
    assert len(await router.usage.records()) == 2
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_an_asynchronous_stream_settles_what_cannot_be_read() -> None:
    provider = Answering(ROLE + event("{") + event(finish="length") + DONE)
    router = AsyncRouter(providers=[provider], store=":memory:")
    manager = router.chat.completions.stream(model="p/m", messages=HELLO, response_format=Event)

    with pytest.raises(LengthFinishReasonError) as raised:
        async with manager as stream:
            await stream.get_final_completion()

    assert raised.value.completion is not None
    assert len(await router.budgets.holds()) == 0
