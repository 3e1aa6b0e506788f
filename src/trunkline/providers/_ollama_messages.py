"""OpenAI's messages in Ollama's words.

Decides what each role and part becomes; what Ollama cannot take (remote images, audio, files,
unknown parts) is refused by name, never dropped in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import BaseModel
from pydantic_core import from_json

from trunkline.errors import BadRequestError

from ._shapes import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import JSON

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def refuse(what: str, param: str) -> NoReturn:
    """Refuse a request before it is sent."""
    raise BadRequestError(
        f"Ollama cannot take {param}: {what}",
        param=param,
        code="unsupported_parameter",
        sent=False,
        should_retry=False,
    )


def messages(given: Sequence[Any] | None) -> list[JSON]:
    """Translate the messages, in order.

    Raises:
        BadRequestError: A role, part or argument Ollama has no words for.
    """
    translated: list[JSON] = []
    names: dict[str, str] = {}  # of the functions called, by call id
    for number, message in enumerate(given or ()):
        where = f"messages[{number}]"
        plain = _replayed(message) if isinstance(message, BaseModel) else message
        if not is_object(plain):
            refuse("a message must be an object", where)
        translated.append(_message(plain, where, names))
    return translated


def _replayed(message: BaseModel) -> JSON:
    return {"role": "assistant", **message.model_dump(exclude_unset=True)}


def _message(message: JSON, where: str, names: dict[str, str]) -> JSON:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        refuse(f"unknown role {role!r}", f"{where}.role")
    text, images = _content(message.get("content"), f"{where}.content")
    said: JSON = {"role": _ROLES[role], "content": text}
    if images:
        said["images"] = images
    if role == "assistant":
        _assistant(message, said, where, names)
    elif role == "tool":
        called = message.get("tool_call_id")
        if called is not None:
            said["tool_call_id"] = called
        if (name := names.get(str(called)) or message.get("name")) is not None:
            said["tool_name"] = name
    elif role == "function":
        said["tool_name"] = message.get("name")
    return said


def _assistant(message: JSON, said: JSON, where: str, names: dict[str, str]) -> None:
    if thought := message.get("reasoning_content"):
        said["thinking"] = thought
    calls: list[Any] = list(message.get("tool_calls") or ())
    if legacy := message.get("function_call"):
        calls.append({"function": legacy})
    if calls:
        said["tool_calls"] = [
            _call(c, f"{where}.tool_calls[{i}]", names) for i, c in enumerate(calls)
        ]


def _call(call: Any, where: str, names: dict[str, str]) -> JSON:
    function = call.get("function") if is_object(call) else None
    if not is_object(function) or not isinstance(name := function.get("name"), str):
        refuse("only calls of functions can be sent back", where)
    sent: JSON = {"function": {"name": name, "arguments": _arguments(function, where)}}
    if isinstance(called := call.get("id"), str):
        names[called] = name
        sent["id"] = called
    return sent


def _arguments(function: JSON, where: str) -> JSON:
    """Parse arguments: OpenAI sends them as a JSON string, Ollama takes an object."""
    given = function.get("arguments")
    if isinstance(given, str):
        try:
            given = from_json(given or "{}")
        except ValueError:
            given = None
    if not is_object(given):
        refuse("the arguments are not a JSON object", f"{where}.function.arguments")
    return given


def _content(content: Any, where: str) -> tuple[str, list[str]]:
    """Return the text, parts joined, and the images as bare base64."""
    if content is None or isinstance(content, str):
        return content or "", []
    if not is_list(content):
        refuse("content must be text or a list of parts", where)
    texts: list[str] = []
    images: list[str] = []
    for number, part in enumerate(content):
        kind = part.get("type") if is_object(part) else None
        at = f"{where}[{number}]"
        if is_object(part) and kind in ("text", "refusal"):
            texts.append(str(part.get(kind) or ""))
        elif is_object(part) and kind == "image_url":
            images.append(_image(part.get("image_url"), at))
        else:
            refuse(f"parts of type {kind!r} are not supported", at)
    return "".join(texts), images


def _image(image: Any, where: str) -> str:
    url = image.get("url") if is_object(image) else image
    if not isinstance(url, str) or not url.startswith("data:"):
        refuse("Ollama fetches no images; pass this one as a data: URI", f"{where}.image_url")
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        refuse("the data: URI is not base64", f"{where}.image_url")
    return data
