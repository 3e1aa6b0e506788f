"""Tools and the choice between them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from openai.types.responses import ToolParam
from tests._api.responses.sdk import wanted
from tests.contract import sdks

from trunkline.errors import BadRequestError

JSON = dict[str, Any]

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
SAID = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "name": "c"}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}

TOOLS: list[tuple[JSON, JSON]] = [
    (FUNCTION, SAID),
    (
        {**FUNCTION, "strict": False, "description": "d"},
        {"type": "function", "function": {**SAID["function"], "strict": False, "description": "d"}},  # type: ignore[dict-item]
    ),
    (
        {"type": "function", "name": "f", "parameters": None, "strict": None},
        {
            "type": "function",
            "function": {"name": "f"},
        },
    ),
    ({**FUNCTION, "defer_loading": False, "async": False, "allowed_callers": ["direct"]}, SAID),
    (CUSTOM, {"type": "custom", "custom": {"name": "c"}}),
    (
        {**CUSTOM, "description": "d", "format": {"type": "text"}},
        {"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}},
    ),
    (
        {**CUSTOM, "format": GRAMMAR},
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "format": {
                    "type": "grammar",
                    "grammar": {"syntax": "lark", "definition": "start: /a/"},
                },
            },
        },
    ),
]
CHOICES: list[tuple[Any, Any]] = [
    ("auto", "auto"),
    ("none", "none"),
    ("required", "required"),
    ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ({"type": "custom", "name": "c"}, {"type": "custom", "custom": {"name": "c"}}),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "f"}}],
            },
        },
    ),
]


def _types() -> set[str]:
    """The types of tools that the SDK knows."""
    from typing import get_type_hints

    found: set[str] = set()
    for tool in get_args(ToolParam):
        hint = get_type_hints(tool)["type"]
        found |= set(get_args(hint))
    return found


HOSTED = sorted(_types() - {"function", "custom"})


@pytest.mark.parametrize(("tool", "said"), TOOLS)
def test_tool_is_said_in_chat(tool: JSON, said: JSON) -> None:
    chat = wanted(tools=[tool]).chat

    assert chat["tools"] == [said]
    sdks.check("openai", chat)


@pytest.mark.parametrize(("choice", "said"), CHOICES)
def test_choice_is_said_in_chat(choice: Any, said: Any) -> None:
    chat = wanted(tools=[FUNCTION, CUSTOM], tool_choice=choice).chat

    assert chat["tool_choice"] == said
    sdks.check("openai", chat)


def test_the_sdk_knows_hosted_tools() -> None:
    assert {"web_search", "file_search", "code_interpreter", "mcp", "local_shell"} <= set(HOSTED)


@pytest.mark.parametrize("kind", HOSTED)
def test_hosted_tool_is_refused_by_name(kind: str) -> None:
    with pytest.raises(BadRequestError, match=f"'{kind}' runs at OpenAI") as caught:
        wanted(tools=[FUNCTION, {"type": kind}])

    assert caught.value.param == "tools[1]"


@pytest.mark.parametrize("kind", HOSTED)
def test_choice_of_a_hosted_tool_is_refused_by_name(kind: str) -> None:
    with pytest.raises(BadRequestError, match=f"'{kind}' runs at OpenAI"):
        wanted(tools=[FUNCTION], tool_choice={"type": kind})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": "f"}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{**FUNCTION, "async": True}]}, "tools[0].async"),
        (
            {"tools": [{**FUNCTION, "allowed_callers": ["programmatic"]}]},
            "tools[0].allowed_callers",
        ),
        ({"tools": [{**CUSTOM, "format": "text"}]}, "tools[0].format"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "allowed_tools", "tools": ["f"]}}, "tool_choice.tools[0]"),
    ],
)
def test_what_is_no_tool_is_refused_by_its_place(body: JSON, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        wanted(**body)

    assert caught.value.param == param


def test_tool_of_a_providers_own_stands_as_it_is() -> None:
    own: list[JSON] = [{"googleSearch": {}}, {"type": "web_search_20250305", "name": "web_search"}]

    asked = wanted(tools=own)

    assert asked.chat["tools"] == own
    assert asked.echoed["tools"] == []


def test_marks_on_a_tool_go_along() -> None:
    (tool,) = wanted(tools=[{**FUNCTION, "cache_control": {"type": "ephemeral"}}]).chat["tools"]

    assert tool == {**SAID, "cache_control": {"type": "ephemeral"}}
