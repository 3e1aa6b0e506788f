"""Structured output: what a caller wants an answer read as, and the answer read.

Decides how content and arguments come back, and what is raised where they cannot be read. What is
asked of the model for a type is ``_schemas``' business; the call itself goes through the same door
as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from trunkline._arguments import is_omitted
from trunkline._log import LOG
from trunkline._schemas import adapter_of, schema_of
from trunkline._settings import is_iterable
from trunkline._values import drawn
from trunkline.errors import (
    AnswerMismatchError,
    ConfigurationError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
)
from trunkline.types.parsed import ParsedChatCompletion

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline.errors import UnparsedAnswerError
    from trunkline.types.chat import (
        ChatCompletion,
        ChatCompletionMessage,
        Choice,
        FunctionCall,
        Shape,
        ToolCall,
    )

T = TypeVar("T")
JSON = dict[str, Any]

_MOST_DETAILS = 3


@dataclass(frozen=True, slots=True)
class Expected(Generic[T]):
    """What a caller wants an answer read as.

    Attributes:
        params: What of it goes into the request.
        read: Reads content as the caller's type; ``None`` where none was given.
        arguments: Reads arguments, by the name of the function that takes them.
    """

    params: Mapping[str, Any]
    read: Callable[[str], T] | None
    arguments: Mapping[str, Callable[[str], Any]]

    @property
    def reads_something(self) -> bool:
        """Whether anything of the answer is read, so that one cut short is an error."""
        return self.read is not None or bool(self.arguments)

    def content(self, message: ChatCompletionMessage) -> T | None:
        """Read what a message says; ``None`` for a refusal, for nothing, and where no type is."""
        if self.read is None or not message.content or message.refusal:
            return None
        return self.read(message.content)

    def of_function(self, name: str, arguments: str) -> Any:
        """Read the arguments of a function; ``None`` where it is not strict or was not offered."""
        read = self.arguments.get(name)
        return None if read is None else read(arguments or "{}")  # of a function that takes none

    def parsed(self, completion: ChatCompletion) -> ParsedChatCompletion[T]:
        """Return an answer with all in it read.

        Raises:
            LengthFinishReasonError: It was cut at its length limit.
            ContentFilterFinishReasonError: A filter cut it.
            AnswerMismatchError: It is not what was asked for.
        """
        try:
            choices = [self._choice(choice) for choice in completion.choices]
        except (AnswerMismatchError, ContentFilterFinishReasonError, LengthFinishReasonError) as e:
            raise located(e, completion) from None
        said = {**fields_of(completion), "choices": choices}
        answer = cast("ParsedChatCompletion[T]", ParsedChatCompletion.model_validate(said))
        answer.attach_routing(completion.routing, completion.response_headers)
        return answer

    def _choice(self, choice: Choice) -> JSON:
        refuse_cut(choice.finish_reason)
        message, calls = choice.message, choice.message.tool_calls or ()
        said = fields_of(message)
        said["tool_calls"] = [
            self._call(call, call.function)
            for call in calls
            if is_of_function(call) and call.function
        ] or None
        said["parsed"] = self.content(message)
        return {**fields_of(choice), "message": said}

    def _call(self, call: ToolCall, function: FunctionCall) -> JSON:
        parsed = self.of_function(function.name, function.arguments)
        return {**fields_of(call), "function": {**fields_of(function), "parsed_arguments": parsed}}


def expected(response_format: Any, given: Mapping[str, Any], *, only_strict: bool) -> Expected[Any]:
    """Find out what an answer is to be read as.

    Args:
        response_format: A pydantic model, a dataclass or a TypedDict; OpenAI's dict, which is sent
            as it is and read as nothing; ``None``, which is not sent.
        given: The call's other arguments; of its ``tools``, OpenAI's dicts and those of
            ``pydantic_function_tool``, the arguments are read.
        only_strict: Refuse tools whose arguments could not be read.

    Raises:
        ConfigurationError: A type that has no schema, or a tool that is not strict.
    """
    if "stream" in given:
        raise ConfigurationError("stream is no argument here: call create, or completions.stream")
    params: JSON = {}
    offered: list[Any] = []
    tools = given.get("tools")
    if tools is not None and is_iterable(tools) and not isinstance(tools, Mapping | str):
        params["tools"] = offered = drawn(tools, "tools")
    for tool in offered if only_strict else ():
        _check_strict(tool)
    read = None
    if _is_mapping(response_format):
        params["response_format"] = response_format
    elif response_format is not None and not is_omitted(response_format):
        name, adapter = adapter_of(response_format)
        read = partial(_read, adapter, "the answer", f"a {name}")
        schema = {"schema": schema_of(response_format), "name": name, "strict": True}
        params["response_format"] = {"type": "json_schema", "json_schema": schema}
    return Expected(params, read, dict(filter(None, map(_reader_of_tool, offered))))


def so_far(text: str) -> Any:
    """Return what an unfinished JSON text says so far, ``None`` where it says nothing yet."""
    try:
        return from_json(text, allow_partial=True)
    except ValueError:  # what it comes to is judged when it is complete
        return None


def is_whole(text: str) -> bool:
    """Whether a text is JSON from its beginning to its end."""
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def refuse_cut(finish_reason: str | None) -> None:
    """Refuse an answer that its finish reason calls incomplete.

    Raises:
        LengthFinishReasonError: It was cut at its length limit.
        ContentFilterFinishReasonError: A filter cut it.
    """
    if finish_reason == "length":
        raise LengthFinishReasonError(
            "the answer was cut at its length limit, so it cannot be parsed: "
            "raise max_completion_tokens, or take what came from .completion"
        )
    if finish_reason == "content_filter":
        raise ContentFilterFinishReasonError(
            "a content filter cut the answer, so it cannot be parsed; "
            "what came of it is in .completion"
        )


def located(error: UnparsedAnswerError, completion: ChatCompletion | None) -> UnparsedAnswerError:
    """Give an error the answer it is about, and say where that came from."""
    error.completion = completion
    if completion is not None:
        where = completion.routing
        error.routing_id, error.provider, error.model = where.id, where.provider, where.model
        error.attempts = where.attempts
        error.request_id = where.attempts[-1].request_id if where.attempts else None
    return error


def is_of_function(call: Any) -> bool:
    """Whether a call is one of a function; others cannot be read, and are left out and logged."""
    if call.type in (None, "function"):
        return True
    LOG.warning("a tool call of type %r cannot be parsed, so it is left out", call.type)
    return False


def fields_of(shape: Shape) -> JSON:
    """Return what was said in a shape by name, without copying it.

    Not with ``getattr``: an unknown field may have the name of a method or a property.
    """
    known = vars(shape)
    said = {name: known[name] for name in shape.model_fields_set if name in known}
    return {**said, **(shape.model_extra or {})}


def set_fields(shape: Shape, said: Mapping[str, Any]) -> None:
    """Set what was said in a shape by name; a field that it does not know is kept as unknown.

    Not with ``setattr``, as in ``fields_of``; nothing is validated.
    """
    known, unknown = type(shape).__pydantic_fields__, cast("JSON", shape.model_extra)
    for name, value in said.items():
        (vars(shape) if name in known else unknown)[name] = value
    shape.model_fields_set.update(said)


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if _is_mapping(value) else {}


def _check_strict(tool: Any) -> None:
    offered = _mapping(tool)
    kind = offered.get("type")
    if kind != "function":
        raise ConfigurationError(f"tools of type {kind!r} cannot be parsed, only 'function' ones")
    function = _mapping(offered.get("function"))
    if function.get("strict") is not True:
        name = function.get("name")
        raise ConfigurationError(
            f"the tool {name!r} is not strict, so its arguments cannot be parsed: "
            "use trunkline.pydantic_function_tool, or set strict to True"
        )


def _reader_of_tool(tool: Any) -> tuple[str, Callable[[str], Any]] | None:
    function = _mapping(_mapping(tool).get("function"))
    if not function.get("strict"):
        return None
    name = str(function.get("name"))
    # Theirs, of the SDK, is a dict with the same attribute.
    model = getattr(cast("object", function), "model", None)
    if model is None:
        return name, partial(_read_json, f"the call of {name}")
    return name, partial(_read, TypeAdapter(model), f"the call of {name}", f"a {model.__name__}")


def _read(adapter: TypeAdapter[T], what: str, kind: str, text: str) -> T:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        # The error itself holds the input; its places and reasons say enough.
        found = error.errors(include_input=False, include_url=False, include_context=False)
        details = [f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}" for each in found]
        more = f" and {len(details) - _MOST_DETAILS} more" if len(details) > _MOST_DETAILS else ""
        raise _mismatch(what, kind, "; ".join(details[:_MOST_DETAILS]) + more) from None


def _read_json(what: str, text: str) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        raise _mismatch(what, "JSON", str(error)) from None


def _mismatch(what: str, kind: str, why: str) -> AnswerMismatchError:
    return AnswerMismatchError(f"{what} is not {kind} ({why}); it is in .completion as it came")
