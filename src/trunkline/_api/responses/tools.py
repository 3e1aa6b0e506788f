"""Tools and the choice between them, from the words of responses to those of chat.

Decides which tools there can be: functions, custom tools, and tools that a provider knows as its
own, which stand as they are. Tools that OpenAI runs itself are refused by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .reading import an_object, objects, refuse, rest, text

if TYPE_CHECKING:
    from .reading import JSON

_SEARCH = "search in a function of your own, or ask a model that searches by chat"
_RUN = "run it yourself, behind a function"
# https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
_HOSTED = {
    "web_search": _SEARCH,
    "web_search_2025_08_26": _SEARCH,
    "web_search_preview": _SEARCH,
    "web_search_preview_2025_03_11": _SEARCH,
    "file_search": _SEARCH,
    "code_interpreter": _RUN,
    "computer": _RUN,
    "computer_use": _RUN,
    "computer_use_preview": _RUN,
    "local_shell": _RUN,
    "shell": _RUN,
    "apply_patch": _RUN,
    "image_generation": "ask the images API in a function of your own",
    "mcp": "list the server's tools and send them as functions",
    "namespace": "send its functions one by one",
    "tool_search": "send the functions themselves",
    "programmatic_tool_calling": "let the model call your functions directly",
}
_FIELDS = {
    "function": ("name", "description", "parameters", "strict"),
    "custom": ("name", "description", "format"),
}
# Fields whose default says nothing; any other value asks for what chat has not.
_SILENT: dict[str, Any] = {
    "defer_loading": False,
    "async": False,
    "allowed_callers": ["direct"],
}


def tools_of(given: JSON) -> JSON:
    """Return the parameters of a chat that say ``tools`` and what belongs to them.

    Without tools chat takes no word about them, where responses let one pass.

    Raises:
        BadRequestError: A tool that chat has not, by its place.
    """
    tools = [_tool(t, f"tools[{i}]") for i, t in enumerate(objects(given.get("tools"), "tools"))]
    params: JSON = {"tools": tools} if tools else {}
    choice = given.get("tool_choice")
    if choice is not None and (tools or choice not in ("auto", "none")):
        params["tool_choice"] = _choice(choice)
    if tools and given.get("parallel_tool_calls") is not None:
        params["parallel_tool_calls"] = given["parallel_tool_calls"]
    return params


def echo_of(given: JSON) -> list[JSON]:
    """Return the tools that a response may name: a provider's own are none of them."""
    tools = objects(given.get("tools"), "tools")
    return [rest(tool, ()) for tool in tools if str(tool.get("type")) in _FIELDS]


def _tool(tool: JSON, where: str) -> JSON:
    kind = tool.get("type")
    _refuse_hosted(kind, where)
    if not isinstance(kind, str) or kind not in _FIELDS:
        return tool
    for name, default in _SILENT.items():
        if tool.get(name) not in (None, default):
            refuse("chat cannot do that; leave it out", f"{where}.{name}")
    text(tool, "name", where)
    names = _FIELDS[kind]
    inner = {n: tool[n] for n in names if tool.get(n) is not None}
    if kind == "custom" and "format" in inner:
        inner["format"] = _format(inner["format"], f"{where}.format")
    return {"type": kind, kind: inner, **rest(tool, ("type", *names, *_SILENT))}


def _format(given: Any, where: str) -> JSON:
    form = an_object(given, where)
    if form.get("type") != "grammar":
        return form
    return {"type": "grammar", "grammar": rest(form, ("type",))}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = an_object(choice, "tool_choice").get("type")
    _refuse_hosted(kind, "tool_choice")
    if kind == "allowed_tools":
        allowed = objects(choice.get("tools"), "tool_choice.tools")
        named = [_named(t, f"tool_choice.tools[{i}]") for i, t in enumerate(allowed)]
        return {"type": kind, kind: {"mode": choice.get("mode") or "auto", "tools": named}}
    return _named(choice, "tool_choice")


def _named(tool: JSON, where: str) -> JSON:
    kind = tool.get("type")
    _refuse_hosted(kind, where)
    if not isinstance(kind, str) or kind not in _FIELDS:
        refuse(f"unknown type {str(kind)[:60]!r}", f"{where}.type", "invalid_value")
    return {"type": kind, kind: {"name": text(tool, "name", where)}}


def _refuse_hosted(kind: Any, where: str) -> None:
    if isinstance(kind, str) and kind in _HOSTED:
        refuse(f"{kind!r} runs at OpenAI's responses only, not by chat; {_HOSTED[kind]}", where)
