"""What OpenTelemetry has to see of calls through our clients, whoever instruments them.

Both instrumentations wrap the methods of the SDK's resources and name a span's attributes by the
GenAI conventions, so the scenarios are the same. A test file has an ``exporter`` of one
instrumentor, derives its class from ``Scenarios`` and adds what only that one traces.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.downstream.fakes import EMBEDDER, MODEL
from tests.downstream.talk import SAID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.downstream.conftest import Door

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def talk(text: str) -> Any:
    return [{"role": "user", "content": text}]


def models(span: Any) -> tuple[Any, Any]:
    """Return the model that was asked for and the one that answered."""
    said = span.attributes
    return said.get("gen_ai.request.model"), said.get("gen_ai.response.model")


def tokens(span: Any) -> tuple[Any, Any]:
    """Return the usage."""
    said = span.attributes
    return said.get("gen_ai.usage.input_tokens"), said.get("gen_ai.usage.output_tokens")


def is_failed(span: Any) -> bool:
    """Tell whether the call failed."""
    return bool(span.status.status_code.name == "ERROR")


class Spans:
    """What was traced."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def all(self) -> list[Any]:
        """Return the ended spans in their order."""
        return list(self._exporter.get_finished_spans())

    def one(self) -> Any:
        """Return the only one."""
        (span,) = self.all()
        return span


@contextmanager
def instrumented(instrumentor: Any) -> Iterator[Any]:
    """Instrument, and yield the exporter that ended spans go to.

    Once a file, not once a test: not every instrumentor undoes all that it has wrapped.
    """
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


class Scenarios:
    """Calls whose spans are looked at."""

    @pytest.fixture
    def spans(self, exporter: Any) -> Spans:
        """The spans of this test's calls."""
        exporter.clear()
        return Spans(exporter)

    def test_a_call_has_a_span_with_models_usage_and_finish(self, door: Door, spans: Spans) -> None:
        door.client().chat.completions.create(model=MODEL, messages=talk("hello"))

        span = spans.one()
        assert models(span) == (MODEL, MODEL)
        assert [tokens(span)] == door.billed()
        assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
        assert span.attributes["gen_ai.response.id"] == "chatcmpl-fake"
        assert not is_failed(span)

    def test_a_streams_span_ends_when_the_stream_does(self, door: Door, spans: Spans) -> None:
        stream = door.client().chat.completions.create(
            model=MODEL,
            messages=talk("hello there"),
            stream=True,
            stream_options={"include_usage": True},
        )
        assert spans.all() == []
        said = [c.choices[0].delta.content for c in stream if c.choices]

        assert "".join(filter(None, said)) == SAID + "hello there"
        assert models(spans.one()) == (MODEL, MODEL)
        assert [tokens(spans.one())] == door.billed()

    def test_a_stream_that_is_left_early_has_a_span_and_one_row(
        self, our_door: Door, spans: Spans
    ) -> None:
        with our_door.client().chat.completions.create(
            model=MODEL, messages=talk("hello out there"), stream=True
        ) as stream:
            next(iter(stream))

        assert models(spans.one())[0] == MODEL
        assert len(our_door.rows()) == 1

    def test_tool_calls_are_a_finish_reason_plain_and_streamed(
        self, door: Door, spans: Spans
    ) -> None:
        create = door.client().chat.completions.create
        asking: Any = {"model": MODEL, "messages": talk("city=Oslo ?"), "tools": [WEATHER]}

        create(**asking)
        list(create(**asking, stream=True))

        for span in spans.all():
            (reason,) = span.attributes["gen_ai.response.finish_reasons"]
            assert reason.startswith("tool_call")
        assert len(spans.all()) == 2

    async def test_awaited_calls_and_streams_have_spans(self, door: Door, spans: Spans) -> None:
        async with door.async_client() as client:
            await client.chat.completions.create(model=MODEL, messages=talk("hello"))
            stream = await client.chat.completions.create(
                model=MODEL,
                messages=talk("hello there"),
                stream=True,
                stream_options={"include_usage": True},
            )
            async for _ in stream:
                pass

        assert [models(span) for span in spans.all()] == [(MODEL, MODEL)] * 2
        assert [tokens(span) for span in spans.all()] == door.billed()

    def test_embeddings_have_a_span(self, door: Door, spans: Spans) -> None:
        door.client().embeddings.create(model=EMBEDDER, input=["one", "two"])

        assert models(spans.one()) == (EMBEDDER, EMBEDDER)
        assert tokens(spans.one())[0] == door.billed()[0][0]

    def test_responses_have_spans_plain_and_streamed(self, our_door: Door, spans: Spans) -> None:
        create = our_door.client().responses.create

        create(model=MODEL, input="hello")
        list(create(model=MODEL, input="hello there", stream=True))

        assert [models(span) for span in spans.all()] == [(MODEL, MODEL)] * 2
        assert [tokens(span) for span in spans.all()] == our_door.billed()

    @pytest.mark.parametrize(
        ("status", "error"),
        [(400, openai.BadRequestError), (429, openai.RateLimitError)],
    )
    def test_a_failure_is_on_the_span_under_the_sdks_class(
        self, door: Door, spans: Spans, status: int, error: type[openai.APIStatusError]
    ) -> None:
        with pytest.raises(error):
            door.client().chat.completions.create(model=MODEL, messages=talk(f"FAIL {status}"))

        assert is_failed(spans.one())
        assert error.__name__ in spans.one().attributes["error.type"]

    async def test_an_awaited_failure_is_on_the_span(self, door: Door, spans: Spans) -> None:
        async with door.async_client() as client:
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model=MODEL, messages=talk("FAIL 429"))

        assert is_failed(spans.one())

    def test_a_budgets_refusal_is_on_the_span_and_asked_once(
        self, inside: Door, spans: Spans
    ) -> None:
        inside.budget("0.0000001")

        with pytest.raises(openai.APIStatusError) as caught:
            inside.client().chat.completions.create(model=MODEL, messages=talk("hello"))

        assert caught.value.status_code == 402
        assert is_failed(spans.one())
        assert len(inside.refusals) == 1
        assert inside.brain.seen == []

    def test_auto_says_which_model_answered(self, auto: Door, spans: Spans) -> None:
        auto.client().chat.completions.create(model="auto", messages=talk("hello"))

        (row,) = auto.rows()
        assert models(spans.one()) == ("auto", row.model)
        assert tokens(spans.one()) == (row.prompt_tokens, row.completion_tokens)
