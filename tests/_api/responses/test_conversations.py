"""The items of ``input`` as messages."""

from __future__ import annotations

from typing import Any

import pytest
from tests._api.responses.sdk import wanted
from tests.contract import sdks

from trunkline.errors import BadRequestError

JSON = dict[str, Any]

MARK = {"cache_control": {"type": "ephemeral"}}


def call(call_id: str, arguments: str = "{}", **extra: Any) -> JSON:
    item = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": arguments}
    return {"id": f"fc_{call_id}", "status": "completed", **item, **extra}


def result(call_id: str, output: Any = "done") -> JSON:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def said(text: str, **extra: Any) -> JSON:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {**item, "content": [part], **extra}


def thought(*texts: str, **extra: Any) -> JSON:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": summary, **extra}


def called(call_id: str, arguments: str = "{}", **extra: Any) -> JSON:
    function = {"name": "f", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **extra}


def user(*parts: JSON) -> JSON:
    return {"role": "user", "content": list(parts)}


def assistant(content: Any = None, **more: Any) -> JSON:
    return {"role": "assistant", "content": content, **more}


TEXT = {"type": "text", "text": "a"}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
PDF = "data:application/pdf;base64,AA=="

# Items, and the messages that say the same.
ROWS: list[tuple[list[JSON], list[JSON]]] = [
    ([{"role": "user", "content": "a"}], [{"role": "user", "content": "a"}]),
    ([{"type": "message", "role": "system", "content": "a"}], [{"role": "system", "content": "a"}]),
    ([{"role": "developer", "content": "a"}], [{"role": "developer", "content": "a"}]),
    ([{"role": "assistant", "content": "a"}], [assistant("a")]),
    ([user({"type": "input_text", "text": "a"})], [user(TEXT)]),
    (
        [user({"type": "input_image", "image_url": "https://a/b.png", "detail": "low"})],
        [user({"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}})],
    ),
    (
        [user({"type": "input_image", "image_url": "data:image/png;base64,AA==", "file_id": None})],
        [user({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}})],
    ),
    (
        [user({"type": "input_file", "file_data": PDF, "filename": "a.pdf", "detail": "auto"})],
        [user({"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}})],
    ),
    (
        [user({"type": "input_file", "file_id": "file-1"})],
        [user({"type": "file", "file": {"file_id": "file-1"}})],
    ),
    ([user(SOUND)], [user(SOUND)]),
    ([said("a")], [assistant("a")]),
    ([said("a", phase="commentary")], [assistant("a")]),
    (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
        [assistant(refusal="no")],
    ),
    ([call("1")], [assistant(tool_calls=[called("1")])]),
    # Calls in a row are one message, and so are words before them.
    ([call("1"), call("2")], [assistant(tool_calls=[called("1"), called("2")])]),
    ([said("a"), call("1")], [assistant("a", tool_calls=[called("1")])]),
    ([call("1"), said("a")], [assistant("a", tool_calls=[called("1")])]),
    # Of a stream that spoke again after a call.
    ([said("a"), call("1"), said("b")], [assistant("ab", tool_calls=[called("1")])]),
    ([said("a"), said("b")], [assistant("a"), assistant("b")]),
    (
        [call("1"), result("1"), call("2"), result("2")],
        [
            assistant(tool_calls=[called("1")]),
            {"role": "tool", "tool_call_id": "1", "content": "done"},
            assistant(tool_calls=[called("2")]),
            {"role": "tool", "tool_call_id": "2", "content": "done"},
        ],
    ),
    (
        [said("a"), {"role": "user", "content": "b"}, said("c")],
        [assistant("a"), {"role": "user", "content": "b"}, assistant("c")],
    ),
    (
        [call("1"), result("1", [{"type": "input_text", "text": "a"}])],
        [
            assistant(tool_calls=[called("1")]),
            {"role": "tool", "tool_call_id": "1", "content": [TEXT]},
        ],
    ),
    (
        [
            {"type": "custom_tool_call", "call_id": "1", "name": "c", "input": "x", "id": "ctc_1"},
            {"type": "custom_tool_call_output", "call_id": "1", "output": "y"},
        ],
        [
            assistant(
                tool_calls=[{"id": "1", "type": "custom", "custom": {"name": "c", "input": "x"}}]
            ),
            {"role": "tool", "tool_call_id": "1", "content": "y"},
        ],
    ),
]
# The same of what OpenAI's types for chat do not know.
OWN_ROWS: list[tuple[list[JSON], list[JSON]]] = [
    ([thought("hm"), said("a")], [assistant("a", reasoning_content="hm")]),
    ([thought("hm", "so"), said("a")], [assistant("a", reasoning_content="hm\n\nso")]),
    (
        [thought("hm"), call("1")],
        [assistant(reasoning_content="hm", tool_calls=[called("1")])],
    ),
    ([thought(encrypted_content="gAAA"), said("a")], [assistant("a")]),
    (
        [thought("short", content=[{"type": "reasoning_text", "text": "long"}]), said("a")],
        [assistant("a", reasoning_content="long")],
    ),
    # One turn of a stream that thought again.
    (
        [thought("hm"), said("a"), thought("so"), said("b")],
        [assistant("ab", reasoning_content="hmso")],
    ),
    ([{"type": "reasoning", "id": "rs_1", "summary": "odd"}, said("a")], [assistant("a")]),
    ([{"type": "reasoning", "summary": [7, {"text": 7}]}, said("a")], [assistant("a")]),
    ([user({"type": "input_text", "text": "a", **MARK})], [user({**TEXT, **MARK})]),
    ([{"role": "user", "content": "a", **MARK}], [{"role": "user", "content": "a", **MARK}]),
    (
        [{"role": "assistant", "content": [{"type": "output_text", "text": "a", **MARK}]}],
        [assistant([{**TEXT, **MARK}])],
    ),
    (
        [
            {"role": "assistant", "content": [{"type": "output_text", "text": "a", **MARK}]},
            call("1"),
            said("b"),
        ],
        [assistant([{**TEXT, **MARK}, {"type": "text", "text": "b"}], tool_calls=[called("1")])],
    ),
    ([user({"type": "fileData", "fileData": {}})], [user({"type": "fileData", "fileData": {}})]),
    ([call("1", google={"id": "x"})], [assistant(tool_calls=[called("1", google={"id": "x"})])]),
    (
        [call("1", of_message={"anthropic": {"content": []}})],
        [assistant(tool_calls=[called("1")], anthropic={"content": []})],
    ),
    (
        [said("a", of_message={"role": "user", "content": "b", "cohere": {"x": 1}})],
        [assistant("a", cohere={"x": 1})],
    ),
    (
        [call("1"), {**result("1"), "is_error": True}],
        [
            assistant(tool_calls=[called("1")]),
            {"role": "tool", "tool_call_id": "1", "content": "done", "is_error": True},
        ],
    ),
]
REFUSED: list[tuple[JSON, str, str]] = [
    ({"type": "item_reference", "id": "msg_1"}, "input[0]", "nothing is stored"),
    ({"id": "msg_1", "type": None}, "input[0]", "nothing is stored"),
    *(
        ({"type": kind, "id": "x"}, "input[0]", f"'{kind}'")
        for kind in (
            "web_search_call",
            "file_search_call",
            "computer_call",
            "computer_call_output",
            "code_interpreter_call",
            "image_generation_call",
            "local_shell_call",
            "local_shell_call_output",
            "mcp_list_tools",
            "mcp_call",
            "mcp_approval_response",
            "compaction",
            "made_up",
        )
    ),
    ({"type": 7}, "input[0].type", "string"),
    ({"role": "tool", "content": "a"}, "input[0].role", "'tool'"),
    ({"role": "user"}, "input[0].content", "missing"),
    ({"role": "user", "content": 7}, "input[0].content", "list"),
    ({"role": 7, "content": "a"}, "input[0].role", "string"),
    ({"role": "user", "content": ["a"]}, "input[0].content[0]", "object"),
    ({"role": "user", "content": [{}]}, "input[0].content[0].type", "missing"),
    ({"role": "assistant", "content": [{}]}, "input[0].content[0].type", "missing"),
    (user({"type": "input_text"}), "input[0].content[0].text", "missing"),
    (user({"type": "input_image", "file_id": "f"}), "input[0].content[0].file_id", "image_url"),
    (user({"type": "input_image"}), "input[0].content[0].image_url", "missing"),
    (user({"type": "input_file", "file_url": "u"}), "input[0].content[0].file_url", "file_data"),
    (user({"type": "computer_screenshot"}), "input[0].content[0]", "input_image"),
    (user({"type": "encrypted_content"}), "input[0].content[0]", "leave it out"),
    ({"type": "function_call", "call_id": "1", "name": "f"}, "input[0].arguments", "missing"),
    ({"type": "function_call", "name": "f", "arguments": ""}, "input[0].call_id", "missing"),
    ({"type": "custom_tool_call", "call_id": "1", "name": "f"}, "input[0].input", "missing"),
    ({"type": "function_call_output", "output": "a"}, "input[0].call_id", "missing"),
    ({"type": "function_call_output", "call_id": "1"}, "input[0].output", "missing"),
    (result("1", {"a": 1}), "input[0].output", "list"),
]


@pytest.mark.parametrize(("items", "messages"), ROWS)
def test_items_are_said_as_messages(items: list[JSON], messages: list[JSON]) -> None:
    chat = wanted(input=items).chat

    assert chat["messages"] == messages
    sdks.check("openai", chat)


@pytest.mark.parametrize(("items", "messages"), OWN_ROWS)
def test_what_is_a_providers_own_goes_along(items: list[JSON], messages: list[JSON]) -> None:
    assert wanted(input=items).chat["messages"] == messages


@pytest.mark.parametrize(("item", "param", "hint"), REFUSED)
def test_item_that_chat_cannot_say_is_refused_by_its_place(
    item: JSON, param: str, hint: str
) -> None:
    with pytest.raises(BadRequestError, match=hint) as caught:
        wanted(input=[item])

    assert caught.value.param == param
    assert not caught.value.sent


def test_null_fields_of_an_item_say_nothing() -> None:
    names = ("phase", "status", "id", "namespace", "caller", "async", "parsed_arguments", "google")
    nulls: JSON = dict.fromkeys(names)
    items = [{**said("a"), **nulls}, {**call("1"), **nulls}, {**result("1"), **nulls}]

    plain = wanted(input=[said("a"), call("1"), result("1")])

    assert wanted(input=items).chat == plain.chat
