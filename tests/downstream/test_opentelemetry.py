"""OpenTelemetry's own instrumentation of ``openai``, over our clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from pydantic import BaseModel
from tests.downstream import spans as scenarios
from tests.downstream.fakes import MODEL
from tests.downstream.spans import instrumented, is_failed, models, talk, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.downstream.conftest import Door
    from tests.downstream.spans import Spans


class Weather(BaseModel):
    """How the weather is."""

    city: str
    degrees: int


@pytest.fixture(scope="module")
def exporter() -> Iterator[Any]:
    """Where ended spans go."""
    with instrumented(OpenAIInstrumentor()) as ended:
        yield ended


class TestSpans(scenarios.Scenarios):
    """The common scenarios, and what only this one traces."""

    def test_structured_output_has_one_span(self, door: Door, spans: Spans) -> None:
        completion = door.client().chat.completions.parse(
            model=MODEL, messages=talk("city=Oslo degrees=7"), response_format=Weather
        )

        assert completion.choices[0].message.parsed == Weather(city="Oslo", degrees=7)
        assert models(spans.one()) == (MODEL, MODEL)
        assert [tokens(spans.one())] == door.billed()

    def test_a_span_names_the_endpoint_of_the_client(self, door: Door, spans: Spans) -> None:
        client = door.client()

        client.chat.completions.create(model=MODEL, messages=talk("hello"))

        assert spans.one().attributes["server.address"] == client.base_url.host

    def test_a_stream_that_breaks_off_fails_its_span(self, door: Door, spans: Spans) -> None:
        stream = door.client().chat.completions.create(
            model=MODEL, messages=talk("BREAK off"), stream=True
        )

        with pytest.raises(openai.APIError, match="broken off"):
            list(stream)

        assert is_failed(spans.one())
