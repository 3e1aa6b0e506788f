"""``chat.completions.parse`` beside the genuine SDK: the same schemas, the same answers read."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import openai
import pytest
from openai.lib._pydantic import _ensure_strict_json_schema, to_strict_json_schema
from pydantic import BaseModel, Field, TypeAdapter, field_validator
from pydantic import dataclasses as pydantic_dataclasses
from pydantic_core import from_json, to_json
from tests.support import beside
from tests.support.beside import OURS, Answering
from tests.support.faces import HELLO, USAGE, completion
from tests.support.odd_names import ODD_NAMES
from typing_extensions import TypedDict

import trunkline
from trunkline import (
    AnswerMismatchError,
    AsyncRouter,
    ConfigurationError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    Router,
    UnparsedAnswerError,
)
from trunkline._schemas import _strict, schema_of

T = TypeVar("T")


class Color(Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """Where it is."""

    city: str
    color: Color = Field(Color.RED, description="of the roof")
    zip: str | None = None


class Event(BaseModel):
    name: str
    day: Literal["mon", "tue"]
    people: list[str] = []


class Many(BaseModel):
    """All that pydantic writes differently."""

    place: Place = Field(description="first")
    other: Place | str | None = None
    places: list[Place] = Field(default_factory=list)
    pair: tuple[int, str] = (1, "a")
    prices: dict[str, Decimal] = {}
    nested: dict[str, Place] = {}
    anything: Any = None
    amount: Annotated[int, Field(gt=0, le=10)] = 3


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    """A model inside itself."""

    value: int
    children: list[Tree] = []


class Box(BaseModel, Generic[T]):
    item: T


class Node(BaseModel):
    children: list[Annotated[Node, Field(description="below")]] = []


class Forest(BaseModel):
    root: Node = Field(description="the first")


class Described(BaseModel):
    __doc__ = None
    x: int


@pydantic_dataclasses.dataclass
class Point:
    x: int
    y: int | None = None


@dataclasses.dataclass
class Plain:
    x: int


class Typed(TypedDict):
    x: int


@pytest.mark.parametrize("model", [Place, Event, Many, Pet, Tree, Described, Box[int]])
def test_the_schema_of_a_model_is_the_sdks(model: type[BaseModel]) -> None:
    assert schema_of(model) == to_strict_json_schema(model)


@pytest.mark.parametrize("kind", [Point, Plain, Typed])
def test_the_schema_of_another_type_is_the_sdks(kind: type[Any]) -> None:
    assert schema_of(kind) == to_strict_json_schema(TypeAdapter(kind))


@pytest.mark.parametrize("model", [Place, Event, Many, Tree, Described])
@pytest.mark.parametrize(
    "options", [{}, {"name": "other"}, {"description": "words"}, {"description": ""}]
)
def test_a_function_tool_is_the_sdks(model: type[BaseModel], options: dict[str, str]) -> None:
    assert trunkline.pydantic_function_tool(model, **options) == openai.pydantic_function_tool(
        model, **options
    )


RAW: dict[str, Any] = {
    "$defs": {"P": {"type": "object", "properties": {"x": {"type": "string", "default": None}}}},
    "definitions": {"Q": {"type": "object", "additionalProperties": True}},
    "type": "object",
    "properties": {
        "one": {"allOf": [{"$ref": "#/$defs/P"}], "description": "one"},
        "two": {"allOf": [{"$ref": "#/$defs/P"}, {"type": "object"}]},
        "three": {"$ref": "#/definitions/Q", "default": None},
        "four": {"$ref": "#/$defs/P", "title": "Four"},
        "five": {"type": "array", "items": True},
        "six": {"anyOf": [{"$ref": "#/$defs/P", "title": "Six"}, {"type": "null"}]},
    },
}


def test_a_schema_that_is_written_by_hand_becomes_the_sdks() -> None:
    theirs = copy.deepcopy(RAW)

    assert _strict(RAW, RAW, ()) == _ensure_strict_json_schema(theirs, path=(), root=theirs)
    assert RAW["properties"]["five"] == {"type": "array", "items": True}  # ours is not changed


@pytest.mark.parametrize("model", [Node, Forest])
def test_words_beside_a_type_inside_itself_are_dropped_instead_of_looping(
    model: type[BaseModel],
) -> None:
    def references(part: Any) -> Iterator[dict[str, Any]]:
        for each in part.values() if isinstance(part, dict) else part:
            if isinstance(each, dict | list):
                yield from references(each)
        if isinstance(part, dict) and "$ref" in part:
            yield part

    found = list(references(schema_of(model)))

    assert found
    assert all(each == {"$ref": "#/$defs/Node"} for each in found)
    with pytest.raises(RecursionError):
        to_strict_json_schema(model)


@pytest.mark.parametrize("reference", ["#/$defs/Nowhere", "#/$defs/P/type", "other.json#/P"])
def test_a_reference_to_nowhere_is_refused(reference: str) -> None:
    lost = {"$defs": {"P": {"type": "object"}}, "$ref": reference, "title": "Lost"}

    with pytest.raises(ConfigurationError, match=re.escape(reference)):
        _strict(lost, lost, ())


def test_names_are_written_as_openai_takes_them() -> None:
    tool = trunkline.pydantic_function_tool(Box[int])

    assert tool["function"]["name"] == "Box_int_"


def of(message: dict[str, Any], finish: str = "stop", index: int = 0, **more: Any) -> Any:
    said = {"role": "assistant", "content": None, "refusal": None, **message}
    return {"index": index, "message": said, "finish_reason": finish, "logprobs": None, **more}


def calling(*calls: tuple[str, str]) -> dict[str, Any]:
    return {
        "tool_calls": [
            {"id": f"c-{i}", "type": "function", "function": {"name": n, "arguments": a}}
            for i, (n, a) in enumerate(calls)
        ]
    }


STRICT_DICT: dict[str, Any] = {
    "type": "function",
    "function": {"name": "add", "strict": True, "parameters": {"type": "object"}},
}
MARKET = '{"name": "market", "day": "mon", "people": ["bo"]}'
TOKENS = {"content": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]}
SCENARIOS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "text": ([of({"content": "Hello"})], {}),
    "a model": ([of({"content": MARKET})], {"response_format": Event}),
    "a dataclass": ([of({"content": '{"x": 1, "y": null}'})], {"response_format": Point}),
    "a dict": ([of({"content": "{}"})], {"response_format": {"type": "json_object"}}),
    "a refusal": (
        [of({"refusal": "I won't", "content": None})],
        {"response_format": Event},
    ),
    "a refusal with text": (
        [of({"refusal": "I won't", "content": "No."})],
        {"response_format": Event},
    ),
    "no text": ([of({"content": ""})], {"response_format": Event}),
    "two answers": (
        [of({"content": MARKET}), of({"content": MARKET.replace("mon", "tue")}, index=1)],
        {"response_format": Event, "n": 2},
    ),
    "log probabilities": (
        [of({"content": MARKET}, logprobs=TOKENS)],
        {"response_format": Event, "logprobs": True},
    ),
    "parallel calls": (
        [of(calling(("Event", MARKET), ("add", '{"a": 1}'), ("other", "{}")), "tool_calls")],
        {"tools": [Event, STRICT_DICT]},
    ),
    "tools that are drawn once": (
        [of(calling(("add", '{"a": [1]}')), "tool_calls")],
        {"tools": iter([STRICT_DICT])},
    ),
    "length": ([of({"content": '{"na'}, "length")], {"response_format": Event}),
    "length of text": ([of({"content": "Hel"}, "length")], {}),
    "a filter": ([of({"content": '{"na'}, "content_filter")], {"response_format": Event}),
    "no JSON": ([of({"content": "Sorry"})], {"response_format": Event}),
    "another type": ([of({"content": '{"name": 1}'})], {"response_format": Event}),
    "arguments that are no JSON": (
        [of(calling(("add", '{"a": ')), "tool_calls")],
        {"tools": [STRICT_DICT]},
    ),
    "wrong arguments": ([of(calling(("Event", "{}")), "tool_calls")], {"tools": [Event]}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_answer_is_read_as_the_sdk_reads_it(name: str) -> None:
    choices, params = SCENARIOS[name]
    body = completion(choices=choices, service_tier="default", system_fingerprint="f")
    given = [{**params, "tools": list(params["tools"])} if "tools" in params else params]
    if name == "tools that are drawn once":
        given = [{**params, "tools": iter(given[0]["tools"])} for _ in range(3)]

    heard = {w: beside.parse(w, body, **given[i % len(given)]) for i, w in enumerate(WAYS)}

    theirs = heard.pop("sdk")
    for mine in heard.values():
        assert mine.error == theirs.error
        assert mine.answer == theirs.answer
        assert theirs.completion in (None, mine.completion)
        assert {k: mine.asked.get(k) for k in FIELDS} == {k: theirs.asked.get(k) for k in FIELDS}


WAYS = ("sdk", *OURS)
FIELDS = ("messages", "tools", "response_format", "n", "logprobs", "stream_options")


@pytest.mark.parametrize("kind", [Plain, Typed], ids=["dataclass", "typed dict"])
def test_types_of_the_standard_library_are_read_too(kind: Any) -> None:
    router = answering(of({"content": '{"x": 5}'}))

    answer: Any = parse(router, response_format=kind)

    assert answer.choices[0].message.parsed == kind(x=5)


def answering(*choices: Any, **fields: Any) -> Router:
    provider = Answering(completion(choices=list(choices), **fields))
    return Router(providers=[provider], store=":memory:")


def asked_of(router: Router) -> list[Any]:
    provider = router._engine.providers["p"]
    assert isinstance(provider, Answering)
    return provider.asked


def parse(router: Router, **params: Any) -> Any:
    return router.chat.completions.parse(model="p/m", messages=HELLO, **params)


FAILS: dict[str, tuple[Any, type[UnparsedAnswerError], str]] = {
    "length": (of({"content": "{"}, "length"), LengthFinishReasonError, "max_completion_tokens"),
    "filter": (of({"content": "{"}, "content_filter"), ContentFilterFinishReasonError, "filter"),
    "no JSON": (of({"content": "Sorry"}), AnswerMismatchError, "all: Invalid JSON"),
    "type": (of({"content": '{"name": 1}'}), AnswerMismatchError, "name: Input should be a valid"),
}


@pytest.mark.parametrize(("choice", "kind", "words"), FAILS.values(), ids=FAILS)
def test_an_answer_that_cannot_be_read_is_paid_for_and_kept(
    choice: Any, kind: type[UnparsedAnswerError], words: str
) -> None:
    router = answering(choice)

    with pytest.raises(kind, match=words) as raised:
        parse(router, response_format=Event)

    error = raised.value
    (record,) = router.usage.records()
    assert error.completion is not None
    assert error.completion.choices[0].message.content == choice["message"]["content"]
    assert error.completion.routing.actual.cost_usd == record.cost_usd > 0
    assert (error.routing_id, error.provider, error.model) == (record.routing_id, "p", "m")
    assert error.request_id == beside.REQUEST_ID
    assert len(error.attempts) == 1
    assert len(router.budgets.holds()) == 0
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert str(again) == str(error)
    assert again.completion == error.completion
    assert again.completion.routing == error.completion.routing


def test_a_mismatch_is_a_value_error_as_pydantics_is_and_holds_nothing_of_the_answer() -> None:
    class Guarded(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def _never(cls, _: str) -> str:
            raise ValueError("not allowed")

    with pytest.raises(ValueError, match="not allowed") as raised:
        parse(answering(of({"content": '{"name": "canary"}'})), response_format=Guarded)

    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_many_mismatches_are_counted_not_listed() -> None:
    content = to_json({"places": [{}] * 9}).decode()

    with pytest.raises(AnswerMismatchError, match="and 7 more"):
        parse(answering(of({"content": content})), response_format=Many)


def test_a_read_answer_has_the_routing_and_the_usage_of_a_plain_one() -> None:
    router = answering(of({"content": MARKET}))

    answer = parse(router, response_format=Event)

    assert answer.routing.id == router.usage.records()[0].routing_id
    assert answer._request_id == beside.REQUEST_ID
    assert answer.usage == trunkline.Usage(**USAGE)
    assert isinstance(answer, trunkline.ChatCompletion)
    said: Any = answer.to_dict()
    assert said["choices"][0]["message"]["parsed"]["day"] == "mon"
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301  # our own bytes


def test_what_a_provider_says_beyond_the_shape_is_kept() -> None:
    call = {**calling(("Event", MARKET))["tool_calls"][0], "signature": "s"}
    choice = of({"tool_calls": [call], "notes": [1]}, "tool_calls", extra="e")

    answer = parse(answering(choice, more="m"), tools=[trunkline.pydantic_function_tool(Event)])

    assert answer.model_extra == {"more": "m"}
    assert answer.choices[0].model_extra == {"extra": "e"}
    assert answer.choices[0].message.model_extra == {"notes": [1]}
    assert answer.choices[0].message.tool_calls[0].model_extra == {"signature": "s"}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_unknown_field_may_have_any_name(name: str) -> None:
    (call,) = calling(("Event", MARKET))["tool_calls"]
    call = {**call, name: [1], "function": {**call["function"], name: [2]}}
    choice = of({"content": MARKET, "tool_calls": [call], name: [3]}, "tool_calls") | {name: [4]}
    router = answering(choice, **{name: [5]})

    answer = parse(router, response_format=Event, tools=[trunkline.pydantic_function_tool(Event)])

    (first,) = answer.choices
    (made,) = first.message.tool_calls
    said = [shape.model_extra for shape in (made, made.function, first.message, first, answer)]
    assert said == [{name: [number]} for number in (1, 2, 3, 4, 5)]
    assert first.message.parsed == made.function.parsed_arguments
    assert answer.routing.id == router.usage.records()[0].routing_id
    written = from_json(answer.model_dump_json())
    assert (written[name], written["choices"][0]["message"][name]) == ([5], [3])
    again = pickle.loads(pickle.dumps(answer))  # noqa: S301  # our own bytes
    assert (again, again.model_extra) == (answer, {name: [5]})


def test_what_was_read_takes_the_place_of_a_field_of_the_same_name() -> None:
    (call,) = calling(("Event", MARKET))["tool_calls"]
    call["function"]["parsed_arguments"] = "odd"
    choice = of({"content": MARKET, "tool_calls": [call], "parsed": "odd"})

    answer = parse(answering(choice), tools=[trunkline.pydantic_function_tool(Event)])

    message = answer.choices[0].message
    assert message.parsed is None
    assert message.tool_calls[0].function.parsed_arguments == Event.model_validate_json(MARKET)
    assert "odd" not in answer.model_dump_json()


def test_a_call_of_another_kind_is_left_out_and_said_so(caplog: Any) -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}

    answer = parse(answering(of({"tool_calls": [custom]}, "tool_calls")))

    assert answer.choices[0].message.tool_calls is None
    assert "custom" in caplog.text


def test_a_function_that_takes_nothing_may_be_called_with_nothing() -> None:
    answer = parse(answering(of(calling(("add", "")), "tool_calls")), tools=[STRICT_DICT])

    assert answer.choices[0].message.tool_calls[0].function.parsed_arguments == {}


def test_the_sdks_own_function_tool_is_known() -> None:
    answer = parse(
        answering(of(calling(("Event", MARKET)), "tool_calls")),
        tools=[openai.pydantic_function_tool(Event)],
    )

    parsed = answer.choices[0].message.tool_calls[0].function.parsed_arguments
    assert parsed == Event.model_validate_json(MARKET)


def test_a_read_message_is_replayed_as_the_model_said_it() -> None:
    content = of({"content": MARKET, **calling(("Event", MARKET))}, "tool_calls")
    router = answering(content)
    tools = [trunkline.pydantic_function_tool(Event)]
    first = parse(router, response_format=Event, tools=tools)
    theirs = openai.types.chat.ParsedChatCompletionMessage[Any].model_validate(
        first.choices[0].message.to_dict()
    )

    for message in (first.choices[0].message, theirs):
        router.chat.completions.create(model="p/m", messages=[*HELLO, message])

        sent = asked_of(router)[-1]["messages"][-1]
        assert sent["content"] == MARKET
        assert "parsed" not in sent
        assert set(sent["tool_calls"][0]["function"]) == {"name", "arguments"}


def test_the_sdks_sentinels_count_as_not_given() -> None:
    router = answering(of({"content": "Hello"}))

    answer = parse(router, response_format=openai.omit, tools=openai.NOT_GIVEN)

    assert answer.choices[0].message.parsed is None
    assert {"response_format", "tools"}.isdisjoint(asked_of(router)[0])


class NoSchema(BaseModel):
    fn: Callable[[int], int]


@dataclasses.dataclass
class Odd:
    thing: object.__class__  # type: ignore[valid-type]
    other: subprocess.Popen[bytes]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a list": ({"response_format": list[int]}, "no type that can be parsed"),
    "a plain class": ({"response_format": int}, "no type that can be parsed"),
    "a word": ({"response_format": "json"}, "no type that can be parsed"),
    "no schema": ({"response_format": NoSchema}, "NoSchema has no JSON schema"),
    "a field of no type": ({"response_format": Odd}, "Odd has no JSON schema"),
    "a custom tool": ({"tools": [{"type": "custom", "custom": {}}]}, "'custom' cannot be parsed"),
    "a loose tool": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "'f' is not strict",
    ),
    "no tool": ({"tools": ["f"]}, "None cannot be parsed"),
    "a stream": ({"stream": True}, "completions.stream"),
}


@pytest.mark.parametrize(("params", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_before_anything_is_sent(
    params: dict[str, Any], words: str
) -> None:
    router = answering(of({"content": "Hello"}))

    with pytest.raises(ConfigurationError, match=words):
        parse(router, **params)

    assert asked_of(router) == []
    assert len(router.usage.records()) == 0


def test_a_type_that_create_is_given_is_sent_to_parse() -> None:
    router = answering(of({"content": MARKET}))

    with pytest.raises(ConfigurationError, match=r"chat\.completions\.parse"):
        router.chat.completions.create(model="p/m", messages=HELLO, response_format=Event)


def test_a_function_tool_needs_a_model() -> None:
    with pytest.raises(ConfigurationError, match="pydantic model"):
        trunkline.pydantic_function_tool(Plain)  # type: ignore[arg-type]


async def test_an_asynchronous_parse_keeps_what_cannot_be_read() -> None:
    provider = Answering(completion(choices=[of({"content": "{"}, "length")]))
    router = AsyncRouter(providers=[provider], store=":memory:")

    with pytest.raises(LengthFinishReasonError) as raised:
        await router.chat.completions.parse(model="p/m", messages=HELLO, response_format=Event)

    assert raised.value.completion is not None
    assert raised.value.routing_id == raised.value.completion.routing.id


def test_errors_made_by_hand_need_no_completion() -> None:
    assert LengthFinishReasonError("cut").completion is None


def test_the_openai_package_is_not_loaded() -> None:
    code = (
        "import sys, trunkline; from trunkline import _asking, _structured, _raw, _event_streams;"
        "trunkline.pydantic_function_tool; print('openai' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
