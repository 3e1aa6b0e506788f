"""Function: a plain Python function as a provider.

Decides how its result becomes an answer and its exception an error. Where it runs is the I/O
object's business: in line under ``Router``, in a worker thread or awaited under ``AsyncRouter``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from trunkline.errors import ConfigurationError

from . import _local
from ._shapes import is_object
from .base import Head, Invoke
from .endpoint import declared

if TYPE_CHECKING:
    from collections.abc import Generator

    from trunkline.catalog.models import Model

    from .base import HttpRequest, Wait

Function = Callable[..., Any]


class FunctionProvider(_local.LocalProvider):
    """Answers by calling ``fn(messages, **params)``.

    Args:
        fn: Returns the text, a completion as a dict in OpenAI's shape, or an iterator of pieces of
            text; may be async (under ``AsyncRouter``). Or a dict of model ids and such functions.
        name: Name in ``provider/model``; one function's model has the same name.
        models: The models with their prices, where they cost something; default free.

    Raises:
        ConfigurationError: Not callable, or ``models`` names another set than ``fn``.
    """

    def __init__(
        self,
        fn: Function | dict[str, Function],
        *,
        name: str = "function",
        models: Sequence[Model] = (),
    ) -> None:
        functions = _named(fn, models[0].id if models else name)
        for model, function in functions.items():
            if not callable(function):
                raise ConfigurationError(f"FunctionProvider fn for {model!r} is not callable")
        if models and {m.id for m in models} != set(functions):
            raise ConfigurationError("FunctionProvider models must name the functions in fn")
        super().__init__(name, models or declared(functions, free=True))
        self._functions = functions

    def transport(self, request: HttpRequest) -> Generator[Head | Wait | Invoke | bytes, Any, None]:
        """Answer without a socket; see ``base.HasTransport``."""
        answer = _local.Answering(request)
        function = self._functions.get(answer.model)
        if function is None:
            message = f"{self.name} has no function for model {answer.model!r}"
            yield from _local.error_answer(404, message, type="model_not_found")
            return
        params = dict(answer.params)
        messages = params.pop("messages", None)
        result = yield _call(function, messages, **params)
        if isinstance(result, _Raised):
            yield from result.answer()
        elif isinstance(result, str):
            yield from _give(answer, [result])
        elif is_object(result):
            yield Head(200, {"content-type": "application/json"})
            yield _completion(result, answer)
        elif isinstance(result, Iterator | AsyncIterator):
            yield from _give_pieces(answer, result)  # pyright: ignore[reportUnknownArgumentType]
        else:
            kind = type(result).__name__
            message = f"the function returned {kind}; it must return str, dict or an iterator"
            yield from _Raised("TypeError", message).answer()


@dataclass(frozen=True, slots=True)
class _Raised:
    """An exception as it crosses the transport: its class's name and its message."""

    name: str
    message: str

    def answer(self) -> tuple[Head, bytes]:
        # The function's own bugs are not retried: they would be the same again.
        return _local.error_answer(
            500, f"{self.name}: {self.message}", type=self.name, x_should_retry="false"
        )


_END = object()


def _named(fn: Function | dict[str, Function], name: str) -> dict[str, Function]:
    return {name: fn} if callable(fn) else dict(fn)


def _call(function: Function, /, *args: Any, **params: Any) -> Invoke:
    if isasyncgenfunction(function):
        return Invoke(lambda: function(*args, **params))
    if _is_async(function):

        async def awaited() -> Any:
            try:
                return await function(*args, **params)
            except Exception as error:  # noqa: BLE001  # the boundary to the caller's own code
                return _Raised(type(error).__name__, str(error))

        return Invoke(awaited, is_async=True)

    def called() -> Any:
        try:
            return function(*args, **params)
        except Exception as error:  # noqa: BLE001  # the boundary to the caller's own code
            return _Raised(type(error).__name__, str(error))

    return Invoke(called)


def _is_async(function: Function) -> bool:
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def _next_of(pieces: Iterator[Any] | AsyncIterator[Any]) -> Invoke:
    if isinstance(pieces, Iterator):
        return _call(next, pieces, _END)

    async def following() -> Any:
        return await anext(pieces, _END)

    return _call(following)


def _give_pieces(
    answer: _local.Answering, pieces: Iterator[Any] | AsyncIterator[Any]
) -> Generator[Head | Invoke | bytes, Any, None]:
    """Pass on pieces as they come; a whole answer waits for all of them."""
    texts: list[str] = []
    while (piece := (yield _next_of(pieces))) is not _END:
        if not isinstance(piece, str):
            failed = piece if isinstance(piece, _Raised) else _no_text(piece)
            yield from _broken_off(failed, begun=answer.stream and bool(texts))
            return
        if answer.stream:
            if not texts:
                yield answer.head()
            yield answer.piece(piece)
        texts.append(piece)
    if answer.stream and texts:
        yield _end(answer, "".join(texts))
    else:
        yield from _give(answer, ["".join(texts)])


def _give(answer: _local.Answering, pieces: Sequence[str]) -> Generator[Head | bytes, Any, None]:
    text = "".join(pieces)
    yield answer.head()
    if answer.stream:
        for piece in pieces:
            yield answer.piece(piece)
        yield _end(answer, text)
    else:
        yield answer.whole(text, "stop", _usage(answer, text))


def _broken_off(failed: _Raised, *, begun: bool) -> Generator[Head | bytes, Any, None]:
    head, body = failed.answer()
    if begun:
        yield b"data: " + body + b"\n\n"
    else:
        yield head
        yield body


def _no_text(piece: object) -> _Raised:
    return _Raised("TypeError", f"the function yielded {type(piece).__name__}, which is no text")


def _end(answer: _local.Answering, text: str) -> bytes:
    return answer.end("stop", _usage(answer, text))


def _usage(answer: _local.Answering, text: str) -> dict[str, int]:
    return _local.usage_of(_local.prompt_tokens(answer.params), _local.rough_tokens(text))


def _completion(result: Mapping[str, Any], answer: _local.Answering) -> bytes:
    """Write a function's own completion; what it left out is filled in by the dialect."""
    return to_json({**result, "model": result.get("model") or answer.model})
