"""What a conversation is answered by the pretended OpenAI: a function of the request alone.

Decides the message, the calls of tools and the usage; how it travels is ``fakes``' business. What
the prompt may ask for stands there.
"""

from __future__ import annotations

import json
import re
from typing import Any

REFUSAL = "I will not say that."
SAID, TOLD = "You said: ", "The tool said: "
_GIVEN = re.compile(r"(\w+)=([^\s\"'{}]+)")


class Talk:
    """One conversation as the brain sees it.

    Attributes:
        question: The last thing the user said.
        results: What tools have said since.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        messages: list[dict[str, Any]] = request["messages"]
        asked = [i for i, m in enumerate(messages) if m["role"] == "user" and not _is_result(m)]
        since = messages[asked[-1] + 1 :] if asked else messages
        self.question = _text(messages[asked[-1]]) if asked else ""
        self.results = [_text(m) for m in since if _is_result(m)]
        self._done = json.dumps([m for m in since if m["role"] == "assistant"])
        self._turn = sum(m["role"] == "assistant" for m in messages)
        spoken = " ".join(_text(messages[i]) for i in asked)
        self._given: dict[str, str] = {k: v.rstrip(",.;:!?)") for k, v in _GIVEN.findall(spoken)}

    def said(self) -> str:
        """Return the answer in words: what tools said, else what the user said."""
        return TOLD + " ".join(self.results) if self.results else SAID + self.question

    def given(self, name: str, element: int = 0) -> str | None:
        """Return the value that the user gave for a name, this time round."""
        if name not in self._given:
            return None
        turns = self._given[name].split("|")
        elements: list[str] = turns[min(self._turn, len(turns) - 1)].split(",")
        return elements[min(element, len(elements) - 1)]

    def everything(self) -> dict[str, Any]:
        """Return all values that the user gave."""
        return {name: _plain(self.given(name) or "") for name in self._given}

    def tools(self) -> list[dict[str, Any]]:
        """Return the functions to call now."""
        choice = self.request.get("tool_choice")
        offered = [t["function"] for t in self.request.get("tools") or ()]
        if choice == "none":
            return []
        if isinstance(choice, dict):
            return [f for f in offered if f["name"] == choice["function"]["name"]]
        left = [f for f in offered if not re.search(rf"\b{f['name']}\b", self._done)]
        if not left and choice == "required":
            return offered[-1:]
        return left if "AT ONCE" in self.question else left[:1]


def completion(talk: Talk) -> dict[str, Any]:
    """Return the completion that a conversation gets."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    finish = "stop"
    if "REFUSE" in talk.question:
        message["refusal"] = REFUSAL
    elif tools := talk.tools():
        message["tool_calls"] = [_call(tool, i, talk) for i, tool in enumerate(tools)]
        finish = "tool_calls"
    else:
        message["content"] = _content(talk)
    choices = talk.request.get("n") or 1
    prompt = tokens_in([talk.request["messages"], talk.request.get("tools")])
    written = choices * tokens_in(message)
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": talk.request["model"],
        "choices": [
            {"index": i, "message": message, "finish_reason": finish, "logprobs": None}
            for i in range(choices)
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


def instance(schema: dict[str, Any], talk: Talk, root: dict[str, Any] | None = None) -> Any:
    """Return a small value that fits a JSON schema, with the user's values where names agree."""
    return _fit(schema, talk, schema if root is None else root, "", 0)


def _content(talk: Talk) -> str:
    wanted = talk.request.get("response_format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        return json.dumps(instance(wanted["json_schema"]["schema"], talk))
    if wanted["type"] == "json_object":
        return json.dumps(talk.everything())
    return talk.said()


def _call(tool: dict[str, Any], index: int, talk: Talk) -> dict[str, Any]:
    arguments = json.dumps(instance(tool.get("parameters") or {"type": "object"}, talk))
    name = tool["name"]
    number = len(talk.request["messages"])
    return {
        "id": f"call_{number}_{index}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _fit(schema: Any, talk: Talk, root: dict[str, Any], name: str, element: int) -> Any:
    schema = _meant(schema, root)
    kind = schema.get("type")
    if "properties" in schema or kind == "object":
        needed = schema.get("required") or schema.get("properties", ())
        return {
            key: _fit(part, talk, root, key, element)
            for key, part in schema.get("properties", {}).items()
            if key in needed or talk.given(key) is not None
        }
    if kind == "array":
        return [_fit(schema.get("items", {}), talk, root, name, i) for i in range(2)]
    return _scalar(schema, kind, talk, talk.given(name, element))


def _scalar(schema: dict[str, Any], kind: Any, talk: Talk, given: str | None) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return given if given in schema["enum"] else schema["enum"][0]
    if kind in ("integer", "number"):
        return _plain(given) if given else schema.get("minimum", 1)
    if kind == "boolean":
        return given != "false"
    if kind == "null":
        return None
    return given or talk.said()


def _meant(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and take the first alternative that is not null."""
    schema = schema if isinstance(schema, dict) else {}
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return _meant(target, root)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _meant(next(s for s in schema[key] if s.get("type") != "null"), root)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = next(t for t in kinds if t != "null")
    return {**schema, "type": kinds}


def _is_result(message: dict[str, Any]) -> bool:
    # Some libraries hand results back in the user's name.
    return message["role"] == "tool" or _text(message).startswith("Observation:")


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def tokens_in(value: Any) -> int:
    """Return a count of tokens that only depends on the value."""
    return len(json.dumps(value)) // 4 + 1
