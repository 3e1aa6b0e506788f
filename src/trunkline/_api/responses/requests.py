"""A request for a response as the parameters of a chat.

Decides what becomes of every field of ``responses.create``: sent under the same name, translated,
only told again in the answer, or refused. Items, parts and tools are its neighbours'. Null means
"not given".

``store`` is answered with ``false`` whatever was asked, because nothing is kept here that could be
fetched by the response's id. ``false`` is sent, as it forbids a provider to keep the chat;
``true`` is not, for a chat kept at the provider is no stored response. ``metadata`` describes the
stored object, and OpenAI takes it in chat with ``store`` only: it is told again, not sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .conversations import messages_of
from .reading import an_object, is_list, refuse, rest, text
from .tools import echo_of, tools_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .reading import JSON

_SAME = (
    "temperature", "top_p", "user", "safety_identifier", "prompt_cache_key", "service_tier",
    "prompt_cache_retention", "prompt_cache_options", "moderation",
)  # fmt: skip
_STATELESS = "nothing is stored here; send the earlier output items in input"
_REFUSED = {
    "previous_response_id": _STATELESS,
    "conversation": _STATELESS,
    "prompt": "templates are kept at OpenAI; send instructions and input",
    "background": "nothing runs in the background here; leave it out, or use a stream",
    "background_options": "nothing runs in the background here; leave it out",
    "context_management": "chat compacts nothing; shorten input yourself",
    "truncation": "chat cuts nothing away; shorten input yourself",
    "access_programs": "chat has no such programs; leave it out",
    "image": "chat has no such options; leave it out",
}
# What these say when it is what happens anyway.
_SILENT: dict[str, tuple[Any, ...]] = {
    "background": (False,),
    "truncation": ("disabled",),
    "context_management": ([],),
}
_LOGPROBS = "message.output_text.logprobs"
# Further details of what does not occur in an answer of chat, or is not known of it.
_INCLUDED = frozenset(
    {
        _LOGPROBS,
        "reasoning.encrypted_content",
        "message.input_image.image_url",
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
    }
)
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "temperature": None,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
}
_READ = {
    *_SAME, *_REFUSED, *_ECHOED, "model", "input", "tools", "text", "reasoning", "include", "store",
    "stream", "stream_options",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request for a response asks for.

    Attributes:
        chat: The arguments of ``chat.completions.create``, plain JSON; fields that are none of
            OpenAI's, ``trunkline`` among them, in ``extra_body``.
        stream: Whether events are wanted.
        echoed: Fields of the response that tell the request again.
    """

    chat: JSON = field(repr=False)
    stream: bool
    echoed: JSON = field(repr=False)


def read_request(body: Mapping[str, Any]) -> Wanted:
    """Read the body of ``POST /responses``.

    Raises:
        BadRequestError: What cannot be said in chat, by name; nothing was sent.
    """
    given = {name: value for name, value in body.items() if value is not None}
    for name, instead in _REFUSED.items():
        if name in given and given[name] not in _SILENT.get(name, ()):
            refuse(instead, name)
    stream = given.get("stream", False)
    if not isinstance(stream, bool):
        refuse("it must be true or false", "stream", "invalid_type")
    if "model" not in given:
        refuse("it is missing", "model", "missing_required_parameter")
    chat: JSON = {
        "model": given["model"],
        "messages": messages_of(given.get("input"), given.get("instructions")),
        **{name: given[name] for name in _SAME if name in given},
        **tools_of(given),
        **_cap(given),
        **_form(given),
        **_effort(given),
        **_logprobs(given),
    }
    if given.get("store") is False:
        chat["store"] = False
    if stream:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    if extra := rest(given, _READ):
        chat["extra_body"] = extra
    return Wanted(chat, stream, _echoed(given))


def _cap(given: JSON) -> JSON:
    cap = given.get("max_output_tokens")
    if cap is None:
        return {}
    if type(cap) is not int or cap < 1:
        refuse("it must be a whole number, 1 or more", "max_output_tokens", "invalid_type")
    return {"max_completion_tokens": cap}


def _form(given: JSON) -> JSON:
    """Say ``text``: of which form the answer is to be, and how long."""
    config = an_object(given.get("text", {}), "text")
    params: JSON = {}
    if config.get("verbosity") is not None:
        params["verbosity"] = config["verbosity"]
    if config.get("format") is not None:
        form = an_object(config["format"], "text.format")
        match text(form, "type", "text.format"):
            case "text":
                pass
            case "json_object":
                params["response_format"] = {"type": "json_object"}
            case "json_schema":
                schema = rest(form, ("type",))
                params["response_format"] = {"type": "json_schema", "json_schema": schema}
            case kind:
                refuse(f"chat has no format {kind[:60]!r}", "text.format.type")
    return params


def _effort(given: JSON) -> JSON:
    """Say ``reasoning``; whether thoughts are told is the provider's to say, not a summary's."""
    config = an_object(given.get("reasoning", {}), "reasoning")
    for name, default in (("context", "auto"), ("mode", "standard")):
        if config.get(name) not in (None, default):
            refuse(f"chat knows {default!r} only; leave it out", f"reasoning.{name}")
    effort = config.get("effort")
    return {} if effort is None else {"reasoning_effort": effort}


def _logprobs(given: JSON) -> JSON:
    """Ask for log-probabilities where they are to be included; else nobody would see them."""
    include = given.get("include", [])
    if not is_list(include):
        refuse("it must be a list", "include", "invalid_type")
    for number, name in enumerate(include):
        if not isinstance(name, str) or name not in _INCLUDED:
            refuse(f"unknown value {str(name)[:60]!r}", f"include[{number}]", "invalid_value")
    if _LOGPROBS not in include:
        return {}
    top = given.get("top_logprobs")
    return {"logprobs": True} if top is None else {"logprobs": True, "top_logprobs": top}


def _echoed(given: JSON) -> JSON:
    reasoning = given.get("reasoning", {})
    return {
        **{name: given.get(name, default) for name, default in _ECHOED.items()},
        "background": False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "store": False,
        "text": {"format": {"type": "text"}, **rest(given.get("text", {}), ())},
        "tools": echo_of(given),
        "truncation": "disabled",
    }
