"""A Python function as a provider: results become answers, exceptions typed errors."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.support.exchanges import asked, run_decoder

from trunkline import errors
from trunkline.catalog.models import Model
from trunkline.providers import FunctionProvider
from trunkline.providers.base import Head, HttpResponse, Invoke


async def ask(provider: FunctionProvider, model: str = "function", **params: Any) -> Any:
    """Drive the transport as AsyncIO does; return the answer, or chunks and decoder, or error."""
    request = provider.build_request(asked(model, "function", params=params))
    steps = provider.transport(request.http)
    result, head, body = None, None, b""
    while True:
        try:
            step: Any = steps.send(result)
        except StopIteration:
            break
        result = None
        if isinstance(step, Invoke):
            result = step.fn()
            assert inspect.isawaitable(result) == step.is_async
            result = await result if step.is_async else result
        elif isinstance(step, Head):
            assert head is None
            head = step
        else:
            body += step
    assert head is not None
    response = HttpResponse(head.status, head.headers, body)
    if head.status != 200:
        return provider.failure(response, request.exchange)
    if not params.get("stream"):
        return provider.parse(response, request.exchange)
    decoder = provider.decoder(request.exchange)
    return run_decoder(decoder, body), decoder


def text_of(answer: Any) -> str:
    if isinstance(answer, tuple):
        return "".join(c.choices[0].delta.content or "" for c in answer[0] if c.choices)
    return str(answer.choices[0].message.content)


def greet(messages: list[Any], **params: Any) -> str:
    return f"{messages[-1]['content']} {params['model']} {params.get('temperature')}"


async def greet_later(messages: list[Any], **params: Any) -> str:
    return greet(messages, **params)


def pieces(messages: list[Any], **params: Any) -> Iterator[str]:
    yield from ("one ", "two")


async def later_pieces(messages: list[Any], **params: Any) -> AsyncIterator[str]:
    for piece in pieces(messages):
        yield piece


def as_dict(messages: list[Any], **params: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "one two"}, "finish_reason": "stop"}]}


class Callable:
    async def __call__(self, messages: list[Any], **params: Any) -> str:
        return "one two"


@pytest.mark.parametrize("fn", [greet, greet_later])
async def test_it_gets_messages_and_parameters(fn: Any) -> None:
    answer = await ask(FunctionProvider(fn), temperature=0.5)

    assert text_of(answer) == "hi function 0.5"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 4


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fn", [pieces, later_pieces, as_dict, Callable(), lambda *_, **__: "one two"]
)
async def test_every_kind_of_result_answers_both_ways(fn: Any, stream: bool) -> None:
    assert text_of(await ask(FunctionProvider(fn), stream=stream)) == "one two"


async def test_pieces_are_chunks() -> None:
    chunks, decoder = await ask(FunctionProvider(pieces), stream=True)

    assert [c.choices[0].delta.content for c in chunks] == ["one ", "two", None]
    assert decoder.usage is not None


@pytest.mark.parametrize("stream", [False, True])
async def test_no_piece_at_all_is_an_empty_text(stream: bool) -> None:
    answer = await ask(FunctionProvider(lambda *_, **__: iter(())), stream=stream)

    assert text_of(answer) == ""


async def test_several_functions_are_several_models() -> None:
    provider = FunctionProvider({"a": greet, "b": pieces}, name="mine")

    assert [m.id for m in provider.models] == ["a", "b"]
    assert text_of(await ask(provider, "b")) == "one two"
    assert isinstance(await ask(provider, "c"), errors.NotFoundError)


def fails(messages: list[Any], **params: Any) -> str:
    raise KeyError("missing sk-0123456789")


async def fails_later(messages: list[Any], **params: Any) -> str:
    raise KeyError("missing sk-0123456789")


def fails_at_once(messages: list[Any], **params: Any) -> Iterator[str]:
    raise KeyError("missing sk-0123456789")
    yield ""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fn", [fails, fails_later, fails_at_once])
async def test_an_exception_is_a_typed_error_and_not_retried(fn: Any, stream: bool) -> None:
    error = await ask(FunctionProvider(fn), stream=stream)

    assert isinstance(error, errors.InternalServerError)
    assert error.type == "KeyError"
    assert error.should_retry is False
    assert "KeyError: 'missing [key]" in error.message


def breaks_off(messages: list[Any], **params: Any) -> Iterator[Any]:
    yield "one"
    yield 2


async def test_an_iterator_that_breaks_off_keeps_what_it_gave() -> None:
    chunks, decoder = await ask(FunctionProvider(breaks_off), stream=True)

    assert [c.choices[0].delta.content for c in chunks] == ["one"]
    assert isinstance(decoder.error, errors.InternalServerError)
    assert isinstance(await ask(FunctionProvider(breaks_off)), errors.InternalServerError)


@pytest.mark.parametrize("result", [None, 5, ["a"]])
async def test_other_results_are_refused_by_name(result: Any) -> None:
    error = await ask(FunctionProvider(lambda *_, **__: result))

    assert f"returned {type(result).__name__}" in error.message


async def test_a_dict_that_is_no_completion_is_no_success() -> None:
    with pytest.raises(errors.APIResponseValidationError):
        await ask(FunctionProvider(lambda *_, **__: {"text": "hi"}))


def test_what_stops_the_process_is_not_caught() -> None:
    def stop(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    provider = FunctionProvider(stop)
    step: Any = next(provider.transport(provider.build_request(asked("function")).http))

    with pytest.raises(KeyboardInterrupt):
        step.fn()


def test_it_is_free_unless_priced() -> None:
    priced = Model("a", input_usd_per_m="1", output_usd_per_m="1")

    (free,) = FunctionProvider(greet).models
    assert free.prices is not None
    assert free.prices.is_free
    assert FunctionProvider(greet, models=[priced]).models == (priced,)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(errors.ConfigurationError, match="not callable"):
        FunctionProvider({"a": "x"})  # type: ignore[dict-item]
    with pytest.raises(errors.ConfigurationError, match="must name the functions"):
        FunctionProvider({"a": greet}, models=[Model("b")])
