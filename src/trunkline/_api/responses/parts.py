"""The parts of messages, from the words of responses to those of chat.

Decides what a text, an image, a file and a sound become. A part of a type that neither API has
stands as it is: a provider may know it as its own, else refuses it by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .reading import is_list, is_object, objects, refuse, rest, text

if TYPE_CHECKING:
    from .reading import JSON

_TEXTS = frozenset({"input_text", "output_text"})
# What output parts tell beside their text, and nobody is told again; ``parsed`` is the SDK's.
_OF_ANSWERS = ("annotations", "logprobs", "parsed")
_REFUSED = {
    "computer_screenshot": "screens of computers cannot be shown in chat; send an input_image",
    "encrypted_content": "only its maker can read it; leave it out",
}


def heard(content: Any, where: str) -> str | list[JSON]:
    """Say what a user, the system or a tool said: a text, or a list of parts."""
    if isinstance(content, str):
        return content
    if content is None:
        refuse("it is missing", where, "missing_required_parameter")
    return [_part(p, f"{where}[{i}]") for i, p in enumerate(objects(content, where))]


def spoken(content: Any, where: str) -> tuple[str | list[JSON], str | None]:
    """Say what an assistant said: the content, plain text where it can be, and its refusal."""
    if isinstance(content, str):
        return content, None
    given = objects(content, where)
    refusals = [
        text(part, "refusal", f"{where}[{i}]")
        for i, part in enumerate(given)
        if part.get("type") == "refusal"
    ]
    parts = [
        _part(part, f"{where}[{i}]")
        for i, part in enumerate(given)
        if part.get("type") != "refusal"
    ]
    refusal = "".join(refusals) if refusals else None
    if all(part.keys() == {"type", "text"} and part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts), refusal
    return parts, refusal


def thought(item: JSON) -> str:
    """Return what a reasoning item tells: its own text, else the summary; never refuse one."""
    for name in ("content", "summary"):
        parts: Any = item.get(name)
        told = [p.get("text") for p in parts if is_object(p)] if is_list(parts) else []
        if texts := [t for t in told if isinstance(t, str) and t]:
            return "\n\n".join(texts)
    return ""


def _part(part: JSON, where: str) -> JSON:
    kind = text(part, "type", where)
    if kind in _REFUSED:
        refuse(_REFUSED[kind], where)
    if kind in _TEXTS:
        said = {"type": "text", "text": text(part, "text", where)}
        return said | rest(part, ("type", "text", *_OF_ANSWERS))
    if kind == "input_image":
        return _image(part, where)
    if kind == "input_file":
        return _file(part, where)
    return part  # sound is the same in both


def _image(part: JSON, where: str) -> JSON:
    if part.get("file_id") is not None:
        refuse("chat shows no images by file id; send image_url", f"{where}.file_id")
    image = {"url": text(part, "image_url", where)}
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    marks = rest(part, ("type", "image_url", "file_id", "detail"))
    return {"type": "image_url", "image_url": image, **marks}


def _file(part: JSON, where: str) -> JSON:
    if part.get("file_url") is not None:
        refuse("chat fetches no files; send its bytes as file_data", f"{where}.file_url")
    names = ("file_data", "file_id", "filename")
    file = {name: part[name] for name in names if part.get(name) is not None}
    marks = rest(part, ("type", "file_url", *names))
    if marks.get("detail") == "auto":
        del marks["detail"]
    return {"type": "file", "file": file, **marks}
