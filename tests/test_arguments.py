from __future__ import annotations

import inspect
import json
import sys
from collections import UserString, deque
from enum import IntEnum, StrEnum
from io import StringIO
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletionMessage as TheirMessage
from openai.types.chat import ChatCompletionMessageToolCall
from openai.types.chat.chat_completion_message_function_tool_call import Function
from tests.support.faces import HELLO, Scripted, ask, completion, scripted_router

from trunkline import ConfigurationError, Objective, RouteOptions
from trunkline._arguments import asked_cap, of_chat, of_embeddings, of_list
from trunkline._io.limits import timeout_of
from trunkline._kinds import KINDS
from trunkline._settings import Settings, with_route
from trunkline.types.chat import ChatCompletionMessage

if TYPE_CHECKING:
    from collections.abc import Iterator


def given(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HELLO, **fields}


def laid(**fields: Any) -> Settings:
    return with_route(Settings(timeout=timeout_of(600.0)), of_chat(given(**fields)).route)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"temprature": 0.1}, "'temprature'; did you mean 'temperature'"),
        ({"zzz": 1}, "extra_body"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages must be a list of dicts, not NoneType"),
        ({"messages": "hi"}, "messages must be a list"),
        ({"messages": HELLO[0]}, "messages must be a list"),
        ({"messages": []}, "at least one"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"messages": [{"content": "hi"}]}, r"messages\[0\] has role None"),
        ({"messages": [{"role": ["user"], "content": "hi"}]}, r"messages\[0\] has role \['user'\]"),
        ({"messages": [{"role": "user", "text": "hi"}]}, "no content; it has role, text"),
        ({"functions": [5]}, r"functions\[0\]"),
        ({"stream_options": "x"}, "stream_options must be a dict, not str"),
        ({"stream_options": [1]}, "stream_options must be a dict, not list"),
        ({"service_tier": []}, "service_tier must be a string, not list"),
        ({"temperature": True}, "temperature must be a number, not bool"),
        ({"messages": [{"role": "bot", "content": "hi"}]}, "'bot'"),
        ({"tools": {"type": "function"}}, "tools"),
        ({"tools": [5]}, r"tools\[0\]"),
        ({"stream": 1}, "stream"),
        ({"n": 0}, "n=0"),
        ({"n": True}, "n=True"),
        ({"max_tokens": -1}, "max_tokens=-1"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens=1.5"),
        ({"max_tokens": 10**15}, "max_tokens must be at most 1000000000"),
        ({"max_completion_tokens": 10**9 + 1}, "max_completion_tokens must be at most"),
        ({"n": 1001}, "n must be at most 1000"),
        ({"n": 2, "max_tokens": 10**9}, "n times max_tokens"),
        ({"extra_headers": ["a"]}, "extra_headers"),
        ({"extra_headers": {"bad name": "a"}}, "header name 'bad name'"),
        ({"extra_headers": {"x-a": "a\r\nx-b: c"}}, "line break"),
        ({"extra_headers": {"host": "a"}}, "set by the connection"),
        ({"extra_query": "a"}, "extra_query"),
        ({"extra_query": {"a": 1, "api_key": "k"}}, "extra_query holds 'api_key'"),
        ({"extra_body": 5}, "extra_body"),
        ({"route": {"team": "a"}}, "route must be a RouteOptions"),
        ({"route": 5, "extra_body": {"trunkline": {"team": "a"}}}, "route must be"),
        ({"extra_body": {"trunkline": 5}}, "trunkline"),
        ({"extra_body": {"trunkline": {"teem": "a"}}}, "'teem'; did you mean 'team'"),
        ({"extra_body": {"trunkline": {"objective": {"qualty": 1}}}}, "did you mean 'quality'"),
        ({"extra_body": {"trunkline": {"objective": 5}}}, "objective"),
        ({"extra_body": {"trunkline": {"objective": {"max_cost_usd": 0.5}}}}, "usd"),
    ],
)
def test_a_bad_argument_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        laid(**fields)


def test_what_is_left_out_is_not_sent_and_null_is() -> None:
    asked = of_chat(given(temperature=None, top_p=openai.NOT_GIVEN, seed=openai.omit, stop=["x"]))

    assert asked.params == {"messages": HELLO, "temperature": None, "stop": ["x"]}


def test_the_sdks_sentinels_are_as_if_not_given_for_what_steers_too() -> None:
    asked = of_chat(
        given(
            timeout=openai.NOT_GIVEN, extra_headers=openai.omit, stream=openai.omit, extra_body=None
        )
    )

    assert not asked.has_timeout
    assert not asked.stream
    assert asked.headers == {}


def test_extra_body_reaches_the_request_and_may_override_it() -> None:
    asked = of_chat(given(temperature=1, extra_body={"temperature": 0.5, "top_k": 3}))

    assert asked.params["temperature"] == 0.5
    assert asked.params["top_k"] == 3


def test_routing_options_come_in_the_body_too_and_win_over_route() -> None:
    body = {"trunkline": {"team": "b", "objective": {"cost": 1.0}}, "top_k": 3}

    asked = of_chat(given(route=RouteOptions(team="a", user="u"), extra_body=body))

    assert asked.route.team == "b"
    assert asked.route.user == "u"
    assert asked.route.objective == Objective(cost=1.0)
    assert "trunkline" not in asked.params
    assert body["trunkline"]


def test_messages_may_be_objects_of_ours_or_the_sdks() -> None:
    ours = ChatCompletionMessage(content="a", reasoning_content="hm")
    theirs = TheirMessage(role="assistant", content="b", refusal=None)

    asked = of_chat(given(messages=(m for m in [*HELLO, ours, theirs])))

    assert asked.params["messages"][1:] == [
        {"role": "assistant", "content": "a", "reasoning_content": "hm"},
        {"role": "assistant", "content": "b"},
    ]


def test_tools_may_be_an_iterator_and_null() -> None:
    tool = {"type": "function", "function": {"name": "f"}}

    assert of_chat(given(tools=iter([tool]))).params["tools"] == [tool]
    assert of_chat(given(tools=None)).params["tools"] is None


def parts() -> Any:
    return ({"type": "text", "text": word} for word in ("a", "b"))


def test_what_can_be_iterated_over_becomes_a_list_once_wherever_it_stands() -> None:
    read = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    calls = ({"id": id_, "function": {"name": "f", "arguments": "{}"}} for id_ in ("1",))
    tool = {"name": "f", "parameters": {"required": (name for name in "ab"), "type": "object"}}

    asked = of_chat(
        given(
            messages=iter(
                [
                    {"role": "user", "content": parts()},
                    {"role": "assistant", "content": None, "tool_calls": calls},
                ]
            ),
            functions=(f for f in [tool]),
            tools=({"type": "function", "function": f} for f in [tool.copy()]),
            stop=(word for word in ["x"]),
            modalities=("text",),
            extra_body={"own": deque([range(2)])},
        )
    )

    assert asked.params["messages"][0]["content"] == read
    assert [c["id"] for c in asked.params["messages"][1]["tool_calls"]] == ["1"]
    assert asked.params["functions"][0]["parameters"]["required"] == ["a", "b"]
    assert asked.params["stop"] == ["x"]
    assert asked.params["modalities"] == ["text"]
    assert asked.params["own"] == [[0, 1]]
    assert json.loads(json.dumps(asked.params)) == asked.params


def test_a_generator_counts_in_the_bound_and_is_sent_and_billed(store_path: str) -> None:
    router, io = scripted_router(store_path, Scripted([completion()]))

    ask(router, "p/m", messages=[{"role": "user", "content": parts()}])

    assert json.loads(io.requests[0].body)["messages"][0]["content"] == list(parts())


def test_what_is_given_is_not_changed_by_a_call_nor_the_call_by_it() -> None:
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]

    asked = of_chat(given(messages=messages))
    messages[0]["content"][0]["text"] = "b"

    assert asked.params["messages"][0]["content"][0]["text"] == "a"


class Tone(StrEnum):
    LOW = "low"


class Level(IntEnum):
    HIGH = 3


def test_values_of_other_libraries_become_jsons_own() -> None:
    call = ChatCompletionMessageToolCall(
        id="c", type="function", function=Function(name="f", arguments="{}")
    )
    message = {"role": "assistant", "content": None, "tool_calls": [call]}

    params = of_chat(
        given(
            messages=[*HELLO, message],
            temperature=np.float64(0.5),
            seed=np.int64(3),
            reasoning_effort=Tone.LOW,
            top_logprobs=Level.HIGH,
            logit_bias={50256: -100},
            metadata=MappingProxyType({"a": "b"}),
        )
    ).params

    assert params["messages"][1]["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    kinds = {name: type(params[name]) for name in ("temperature", "seed", "reasoning_effort")}
    assert kinds == {"temperature": float, "seed": int, "reasoning_effort": str}
    assert (params["reasoning_effort"], params["top_logprobs"]) == ("low", 3)
    assert params["logit_bias"] == {"50256": -100}
    assert params["metadata"] == {"a": "b"}


def endless() -> Iterator[Any]:
    while True:
        yield {"type": "text", "text": "x"}


def bottomless() -> Iterator[Any]:
    yield bottomless()


HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"messages": [{"role": "user", "content": endless()}]}, r"messages\[0\]\['content'\] yie"),
        ({"messages": endless()}, "messages yields more than 100000 items"),
        ({"stop": bottomless()}, r"stop\[0\].* is nested too deeply"),
        ({"stop": HOLDS_ITSELF}, r"stop\[0\].* is nested too deeply, or holds itself"),
        ({"stop": {"a", "b"}}, "stop is a set, which has no order"),
        ({"messages": [{"role": "user", "content": b"a"}]}, r"\['content'\] is bytes"),
        ({"messages": [{"role": "user", "content": StringIO("a")}]}, "is StringIO, which JSON"),
        ({"response_format": ChatCompletionMessage}, r"is a type: call chat\.completions\.parse"),
        ({"metadata": ChatCompletionMessage}, "metadata is the class ChatCompletionMessage"),
        ({"metadata": {"a": object()}}, r"metadata\['a'\] is object, which JSON does not have"),
        ({"metadata": {("a",): 1}}, "metadata has a key of type tuple"),
        ({"metadata": {True: 1}}, "metadata has a key of type bool"),
        ({"metadata": Mock()}, "metadata is Mock, which is no object of JSON"),
        ({"extra_body": {5: 1}}, "extra_body has a key of type int"),
        ({"user": UserString("bo")}, "user is UserString"),
    ],
)
def test_what_json_cannot_say_is_refused_by_its_place(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        of_chat(given(**fields))


def test_a_caller_from_deep_down_is_refused_in_words_too() -> None:
    deep: list[Any] = []
    for _ in range(90):
        deep = [deep]

    def ask_from(depth: int) -> None:
        if depth:
            ask_from(depth - 1)
        else:
            of_chat(given(stop=deep))

    with pytest.raises(ConfigurationError, match="stop is nested too deeply"):
        ask_from(sys.getrecursionlimit() - len(inspect.stack(0)) - 120)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_numbers_that_json_does_not_have_are_refused_by_name_before_anything_is_held(
    store_path: str, odd: Any
) -> None:
    router, io = scripted_router(store_path)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"maximum": odd}}}
    function = {"name": "f", "arguments": {"x": odd}}
    call = {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]}
    for fields, where in (
        ({"temperature": odd}, "temperature is"),
        ({"extra_body": {"top_a": odd}}, "top_a is"),
        ({"tools": [tool]}, r"tools\[0\]\['function'\]\['parameters'\]\['maximum'\] is"),
        ({"messages": [*HELLO, call]}, r"messages\[1\].*\['arguments'\]\['x'\] is"),
    ):
        with pytest.raises(ConfigurationError, match=where + " -?(nan|inf), which JSON does not"):
            ask(router, "p/m", **fields)
    with pytest.raises(ConfigurationError, match="top_a is"):
        embedded(extra_body={"top_a": odd})

    assert io.requests == []
    assert len(router.usage.records()) == 0


def test_the_arguments_of_a_call_stay_the_string_they_were() -> None:
    function = {"name": "f", "arguments": '{"x": NaN}'}
    call = {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]}

    assert of_chat(given(messages=[*HELLO, call])).params["messages"][1] == call


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_parameter_of_a_wrong_kind_is_refused_by_name(name: str) -> None:
    words, kinds = KINDS[name]
    for value in (None, "x", 5, 0.5, True, ["x"], {"a": 1}):
        fits = value is None or type(value) in kinds or (float in kinds and type(value) is int)
        if fits:
            assert of_chat(given(extra_body={name: value})).params[name] == value
        else:
            with pytest.raises(ConfigurationError, match=f"^{name} must be {words}, not "):
                of_chat(given(extra_body={name: value}))


def test_the_larger_of_two_caps_counts() -> None:
    assert asked_cap({"max_tokens": 5, "max_completion_tokens": 9}) == 9
    assert asked_cap({"max_tokens": None}) is None


def embedded(**fields: Any) -> Any:
    return of_embeddings({"model": "m", "input": "hello", **fields})


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("hello", "hello"),
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        (iter(["a"]), ["a"]),
        ([1, 2, 0], [1, 2, 0]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ([7] * 3000, [7] * 3000),
    ],
)
def test_texts_and_token_ids_are_taken_in_each_of_openais_forms(value: Any, sent: Any) -> None:
    found = embedded(input=value).params["input"]

    assert found == sent
    assert {type(item) for item in found} <= {str, int, list}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": None}, "input must be a string or a list, not NoneType"),
        ({"input": b"text"}, "input must be a string or a list, not bytes"),
        ({"input": {"text": "a"}}, "input must be a string or a list, not dict"),
        ({"input": 5}, "input must be a string or a list, not int"),
        ({"input": ""}, "input is empty"),
        ({"input": []}, "input is empty"),
        ({"input": ["a", ""]}, r"input\[1\] is empty"),
        ({"input": ["a", []]}, r"input\[1\] is empty"),
        ({"input": ["a", 5]}, r"input\[1\] must be a string or a list, not int"),
        ({"input": ["a", None]}, r"input\[1\] must be a string or a list, not NoneType"),
        ({"input": [5, "a"]}, r"input\[1\] must be a token id"),
        ({"input": [5, -1]}, r"input\[1\] must be a token id"),
        ({"input": [5, True]}, r"input\[1\] must be a token id"),
        ({"input": [True]}, r"input\[0\] must be a string or a list, not bool"),
        ({"input": [[5, 1.5]]}, r"input\[0\]\[1\] must be a token id"),
        ({"input": ["a"] * 2049}, "input holds 2049 texts; send at most 2048"),
        ({"dimensions": 0}, "dimensions=0"),
        ({"dimensions": 1.5}, "dimensions=1.5"),
        ({"dimensions": 10**10}, "dimensions must be at most"),
        ({"input": (str(number) for number in count())}, "input yields more than 100000 items"),
        ({"extra_body": {"own": object()}}, "own is object, which JSON does not have"),
        ({"encoding_format": "hex"}, "encoding_format='hex' must be 'float' or 'base64'"),
        ({"user": 5}, "user must be a string, not int"),
        ({"user": UserString("bo")}, "user must be a string"),
        ({"dimension": 3}, "'dimension'; did you mean 'dimensions'"),
        ({"messages": HELLO}, "'messages'"),
        ({"model": None}, "model must be a name"),
        ({"extra_body": {"stream": True}}, "embeddings come whole"),
        ({"extra_body": {"input": ""}}, "input is empty"),
        ({"route": RouteOptions(fallbacks=["b"])}, r"route\.fallbacks is not for embeddings"),
        ({"route": 5}, "route must be a RouteOptions"),
    ],
)
def test_a_bad_argument_of_embeddings_is_refused_by_name(
    fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        embedded(**fields)


def test_what_steers_embeddings_is_taken_apart_from_what_is_sent() -> None:
    asked = embedded(
        dimensions=3,
        encoding_format=None,
        user=openai.NOT_GIVEN,
        timeout=5,
        extra_body={"task": "search", "trunkline": {"team": "a"}, "stream": False},
    )

    assert asked.params == {
        "input": "hello",
        "dimensions": 3,
        "encoding_format": None,
        "task": "search",
    }
    assert (asked.model, asked.timeout, asked.route.team) == ("m", 5, "a")
    assert not asked.stream


def test_a_list_of_models_is_asked_for_by_its_page() -> None:
    asked = of_list({"model": "openai", "cursor": "next"})

    assert (asked.model, asked.params) == ("openai", {"cursor": "next"})
