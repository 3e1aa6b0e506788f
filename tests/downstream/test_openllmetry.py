"""OpenLLMetry's instrumentation of ``openai``, over our clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from tests.downstream import spans as scenarios
from tests.downstream.fakes import MODEL
from tests.downstream.spans import instrumented, models, talk, tokens
from tests.downstream.talk import SAID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.downstream.conftest import Door
    from tests.downstream.spans import Spans

# The library is not written for the newest pydantic.
pytestmark = pytest.mark.filterwarnings("ignore:Support for class-based:DeprecationWarning")


@pytest.fixture(scope="module")
def exporter() -> Iterator[Any]:
    """Where ended spans go."""
    with instrumented(OpenAIInstrumentor()) as ended:
        yield ended


class TestSpans(scenarios.Scenarios):
    """The common scenarios, and what only this one traces."""

    def test_the_conversation_is_on_the_span(self, door: Door, spans: Spans) -> None:
        door.client().chat.completions.create(model=MODEL, messages=talk("hello"))

        (asked,) = json.loads(spans.one().attributes["gen_ai.input.messages"])
        (answered,) = json.loads(spans.one().attributes["gen_ai.output.messages"])
        assert [part["content"] for part in asked["parts"]] == ["hello"]
        assert [part["content"] for part in answered["parts"]] == [SAID + "hello"]

    def test_old_completions_have_a_span(self, our_door: Door, spans: Spans) -> None:
        our_door.client().completions.create(model=MODEL, prompt="hello")

        assert models(spans.one()) == (MODEL, MODEL)
        assert [tokens(spans.one())] == our_door.billed()
