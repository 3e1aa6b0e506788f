"""Langfuse over our clients: it wraps the methods of the SDK's resources, which ours are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import langfuse.openai  # wraps the methods when it is imported
import openai
import pytest
from langfuse import Langfuse, get_client
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from tests.downstream.fakes import EMBEDDER, MODEL
from tests.downstream.spans import WEATHER, talk
from tests.downstream.talk import SAID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.downstream.conftest import Door

assert langfuse.openai
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing is sent there either


class Weather(BaseModel):
    """How the weather is."""

    city: str
    degrees: int


class Traces:
    """What was traced, read as Langfuse's server would."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def all(self) -> list[dict[str, Any]]:
        """Return each ended observation; its attributes by their short names."""
        return [
            {
                name.removeprefix("langfuse.observation."): _plain(value)
                for name, value in span.attributes.items()
            }
            for span in self.spans()
        ]

    def spans(self) -> list[Any]:
        """Return the spans that they are."""
        get_client().flush()
        return list(self._exporter.get_finished_spans())

    def one(self) -> dict[str, Any]:
        """Return the only one."""
        (observation,) = self.all()
        return observation


@pytest.fixture(scope="module")
def _exporter() -> Iterator[Any]:
    exporter = InMemorySpanExporter()
    client = Langfuse(
        public_key="pk-lf-test",
        secret_key="sk-lf-test",
        base_url=NOBODY,
        span_exporter=exporter,
        tracer_provider=TracerProvider(),
    )
    yield exporter
    client.shutdown()


@pytest.fixture
def traces(_exporter: Any) -> Traces:
    """What this test's calls leave."""
    get_client().flush()
    _exporter.clear()
    return Traces(_exporter)


def _plain(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def tokens(observation: dict[str, Any]) -> tuple[int, int]:
    usage = observation["usage_details"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def test_a_call_is_traced_with_model_answer_and_usage(door: Door, traces: Traces) -> None:
    door.client().chat.completions.create(model=MODEL, messages=talk("hello"), temperature=0.5)

    seen = traces.one()
    assert (seen["type"], seen["model.name"]) == ("generation", MODEL)
    assert seen["input"] == talk("hello")
    assert seen["output"] == {"role": "assistant", "content": SAID + "hello"}
    assert seen["model.parameters"]["temperature"] == 0.5
    assert [tokens(seen)] == door.billed()


def test_a_stream_is_traced_and_ended_when_it_ends(door: Door, traces: Traces) -> None:
    stream = door.client().chat.completions.create(
        model=MODEL,
        messages=talk("hello there"),
        stream=True,
        stream_options={"include_usage": True},
    )
    assert traces.all() == []
    chunks = list(stream)

    seen = traces.one()
    assert len(chunks) > 2
    assert seen["output"] == SAID + "hello there"
    assert seen["completion_start_time"]
    assert seen["metadata.finish_reason"] == "stop"
    assert [tokens(seen)] == door.billed()


def test_a_stream_that_is_left_early_is_ended_and_booked_once(
    our_door: Door, traces: Traces
) -> None:
    with our_door.client().chat.completions.create(
        model=MODEL, messages=talk("hello out there"), stream=True
    ) as stream:
        next(iter(stream))

    assert traces.one()["model.name"] == MODEL
    assert len(our_door.rows()) == 1


def test_the_stream_helper_is_traced(door: Door, traces: Traces) -> None:
    with door.client().chat.completions.stream(model=MODEL, messages=talk("hello")) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == SAID + "hello"
    assert traces.one()["output"] == SAID + "hello"


def test_tool_calls_are_traced_plain_and_streamed(door: Door, traces: Traces) -> None:
    create = door.client().chat.completions.create
    asking: Any = {"model": MODEL, "messages": talk("city=Oslo ?"), "tools": [WEATHER]}

    create(**asking)
    list(create(**asking, stream=True))

    for seen in traces.all():
        (call,) = seen["output"]["tool_calls"]
        assert call["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}


def test_structured_output_is_traced_once(door: Door, traces: Traces) -> None:
    completion = door.client().chat.completions.parse(
        model=MODEL, messages=talk("city=Oslo degrees=7"), response_format=Weather
    )

    assert completion.choices[0].message.parsed == Weather(city="Oslo", degrees=7)
    seen = traces.one()
    assert seen["metadata.response_format"]["title"] == "Weather"
    assert [tokens(seen)] == door.billed()


async def test_awaited_calls_and_streams_are_traced(door: Door, traces: Traces) -> None:
    async with door.async_client() as client:
        await client.chat.completions.create(model=MODEL, messages=talk("hello"))
        stream = await client.chat.completions.create(
            model=MODEL, messages=talk("hi"), stream=True, stream_options={"include_usage": True}
        )
        async for _ in stream:
            pass

    plain, streamed = traces.all()
    assert plain["output"]["content"] == SAID + "hello"
    assert streamed["output"] == SAID + "hi"
    assert [tokens(plain), tokens(streamed)] == door.billed()


def test_embeddings_are_traced(door: Door, traces: Traces) -> None:
    door.client().embeddings.create(model=EMBEDDER, input=["one", "two"])

    seen = traces.one()
    assert (seen["type"], seen["model.name"]) == ("embedding", EMBEDDER)
    assert seen["output"] == {"dimensions": 2, "count": 2}
    assert seen["usage_details"] == {"input": door.billed()[0][0]}


def test_responses_are_traced_plain_and_streamed(our_door: Door, traces: Traces) -> None:
    create = our_door.client().responses.create

    create(model=MODEL, input="hello")
    list(create(model=MODEL, input="hello there", stream=True))

    plain, streamed = traces.all()
    assert plain["output"]["content"][0]["text"] == SAID + "hello"
    assert streamed["output"]["content"][0]["text"] == SAID + "hello there"
    usages = [seen["usage_details"] for seen in (plain, streamed)]
    assert [(u["input_tokens"], u["output_tokens"]) for u in usages] == our_door.billed()


def test_old_completions_are_traced(our_door: Door, traces: Traces) -> None:
    our_door.client().completions.create(model=MODEL, prompt="hello")

    seen = traces.one()
    assert seen["output"] == SAID + "hello"
    assert [tokens(seen)] == our_door.billed()


def test_a_call_inside_a_span_is_its_child(door: Door, traces: Traces) -> None:
    with get_client().start_as_current_observation(name="job") as job:
        door.client().chat.completions.create(model=MODEL, messages=talk("hello"), name="step")

    step, parent = traces.spans()
    assert (step.name, parent.name) == ("step", "job")
    assert f"{step.parent.span_id:016x}" == job.id


def test_a_failure_is_traced_and_raised_as_the_sdks_class(door: Door, traces: Traces) -> None:
    with pytest.raises(openai.RateLimitError):
        door.client().chat.completions.create(model=MODEL, messages=talk("FAIL 429"))

    seen = traces.one()
    assert seen["level"] == "ERROR"
    assert "as the prompt asked" in seen["status_message"]


def test_a_stream_that_breaks_off_is_ended_with_what_came(door: Door, traces: Traces) -> None:
    stream = door.client().chat.completions.create(
        model=MODEL, messages=talk("BREAK off"), stream=True
    )

    with pytest.raises(openai.APIError, match="broken off"):
        list(stream)

    assert traces.one()["output"] == "You"


def test_a_raw_response_is_traced(door: Door, traces: Traces) -> None:
    raw = door.client().chat.completions.with_raw_response.create(
        model=MODEL, messages=talk("hello")
    )

    assert raw.headers["x-request-id"] == "req-fake"
    assert traces.one()["output"]["content"] == SAID + "hello"


def test_a_budgets_refusal_is_traced_and_not_asked_again(inside: Door, traces: Traces) -> None:
    inside.budget("0.0000001")

    with pytest.raises(openai.APIStatusError) as caught:
        inside.client().chat.completions.create(model=MODEL, messages=talk("hello"))

    assert caught.value.status_code == 402
    assert traces.one()["level"] == "ERROR"
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


def test_auto_is_traced_under_the_model_that_answered(auto: Door, traces: Traces) -> None:
    auto.client().chat.completions.create(model="auto", messages=talk("hello"))

    assert [row.model for row in auto.rows()] == [traces.one()["model.name"]]
