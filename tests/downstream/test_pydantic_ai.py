"""pydantic-ai over our client: ``OpenAIProvider(openai_client=client)``, chat and responses."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    BinaryContent,
    ModelAPIError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRetry,
    NativeOutput,
    PromptedOutput,
    ToolOutput,
    UsageLimitExceeded,
    UsageLimits,
)
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.downstream.conftest import Door

APIS = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    """Which of OpenAI's two interfaces is asked."""
    return str(request.param)


@pytest.fixture
async def model(door: Door, api: str) -> AsyncIterator[Any]:
    """A model over each door."""
    if (door.kind, api) == ("genuine", "responses"):
        pytest.skip("the pretended server speaks chat alone")
    async with door.async_client() as client:
        yield _over(client, door, api)


@pytest.fixture
async def inner(inside: Door, api: str) -> AsyncIterator[Any]:
    """A model over ``inside``."""
    async with inside.async_client() as client:
        yield _over(client, inside, api)


def _over(client: Any, door: Door, api: str) -> Any:
    return APIS[api](door.model, provider=OpenAIProvider(openai_client=client))


def _weather_agent(model: Any, **options: Any) -> Any:
    agent = Agent(model, **options)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Say the weather."""
        return f"sunny in {city}"

    return agent


def _used(usage: Any) -> tuple[int, int]:
    return usage.input_tokens, usage.output_tokens


def _total(usages: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(prompt for prompt, _ in usages), sum(written for _, written in usages)


async def test_a_run_is_answered_with_the_tokens_that_we_book(door: Door, model: Any) -> None:
    run = await Agent(model, instructions="Be brief.").run(
        "Hello there", model_settings={"temperature": 0.5}
    )

    assert run.output == "You said: Hello there"
    assert _used(run.usage) == door.brain.usages[0]
    assert run.usage.cache_read_tokens == 3
    assert door.billed() == door.brain.usages
    (asked,) = door.brain.seen
    assert [m["content"] for m in asked["messages"]] == ["Be brief.", "Hello there"]
    assert asked["temperature"] == 0.5


async def test_a_stream_spells_the_answer_and_ends_in_its_tokens(door: Door, model: Any) -> None:
    async with Agent(model).run_stream("one two three") as run:
        pieces = [piece async for piece in run.stream_text(delta=True, debounce_by=None)]

    assert "".join(pieces) == "You said: one two three"
    assert len(pieces) > 3
    assert _used(run.usage) == door.brain.usages[0]
    assert door.billed() == door.brain.usages


async def test_a_tool_goes_round(door: Door, model: Any) -> None:
    run = await _weather_agent(model).run("How is the weather? city=Paris")

    assert run.output == "The tool said: sunny in Paris"
    assert run.usage.requests == 2
    assert run.usage.tool_calls == 1
    assert _used(run.usage) == _total(door.brain.usages)
    assert door.billed() == door.brain.usages


async def test_a_tool_goes_round_in_a_stream(door: Door, model: Any) -> None:
    async with _weather_agent(model).run_stream("How is the weather? city=Paris") as run:
        output = await run.get_output()

    assert output == "The tool said: sunny in Paris"
    assert [bool(asked.get("stream")) for asked in door.brain.seen] == [True, True]
    assert door.billed() == door.brain.usages


async def test_two_tools_are_called_at_once(door: Door, model: Any) -> None:
    agent = _weather_agent(model)

    @agent.tool_plain
    def get_time(city: str) -> str:
        """Say the time."""
        return f"noon in {city}"

    run = await agent.run("AT ONCE city=Paris")

    assert run.output == "The tool said: sunny in Paris noon in Paris"
    assert len(door.brain.seen) == 2


@pytest.mark.parametrize("kind", [ToolOutput, NativeOutput, PromptedOutput])
async def test_an_output_is_filled(door: Door, model: Any, kind: Any) -> None:
    run = await Agent(model, output_type=kind(Person)).run("name=Ada age=36")

    assert run.output == Person(name="Ada", age=36)
    assert door.billed() == door.brain.usages


@pytest.mark.parametrize("kind", [ToolOutput, NativeOutput])
async def test_an_output_is_filled_in_a_stream(door: Door, model: Any, kind: Any) -> None:
    async with Agent(model, output_type=kind(Person)).run_stream("name=Ada age=36") as run:
        outputs = [output async for output in run.stream_output(debounce_by=None)]

    assert outputs[-1] == Person(name="Ada", age=36)
    assert door.billed() == door.brain.usages


async def test_an_output_comes_after_tools(door: Door, model: Any) -> None:
    agent = _weather_agent(model, output_type=NativeOutput(Person))

    run = await agent.run("city=Paris name=Ada age=36")

    assert run.output == Person(name="Ada", age=36)
    assert len(door.brain.seen) == 2


async def test_a_validator_asks_again_and_both_are_booked(door: Door, model: Any) -> None:
    agent = Agent(model, output_type=Person)

    @agent.output_validator
    def grown(person: Person) -> Person:
        if person.age < 0:
            raise ModelRetry("an age is positive")
        return person

    run = await agent.run("name=Ada age=-3|36")

    assert run.output.age == 36
    assert len(door.brain.usages) == 2
    assert _used(run.usage) == _total(door.brain.usages)
    assert door.billed() == door.brain.usages


async def test_a_conversation_goes_on(door: Door, model: Any) -> None:
    agent = _weather_agent(model)

    first = await agent.run("city=Paris")
    second = await agent.run("And now? city=Rome", message_history=first.all_messages())

    assert second.output == "The tool said: sunny in Rome"
    assert len(door.brain.seen) == 4
    assert door.billed() == door.brain.usages


async def test_runs_side_by_side_are_each_booked(door: Door, model: Any) -> None:
    agent = _weather_agent(model)

    runs = await asyncio.gather(*(agent.run(f"city=Town{i:02}") for i in range(12)))

    assert [run.output for run in runs] == [
        f"The tool said: sunny in Town{i:02}" for i in range(12)
    ]
    assert len(door.brain.usages) == 24
    assert sorted(door.billed()) == sorted(door.brain.usages)


async def test_a_stream_left_early_is_booked_as_what_came(our_door: Door, api: str) -> None:
    async with our_door.async_client() as client:
        agent = Agent(_over(client, our_door, api))
        async with agent.run_stream("one two three") as run:
            async for _ in run.stream_text(delta=True, debounce_by=None):
                break

    (left,) = our_door.rows()
    assert left.state == "estimated"
    assert 0 < left.cost_usd < Decimal("0.001")


async def test_an_image_arrives(door: Door, model: Any) -> None:
    image = BinaryContent(data=b"png", media_type="image/png")

    await Agent(model).run(["look", image])

    text, picture = door.brain.seen[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "look"}
    assert picture["image_url"]["url"] == "data:image/png;base64,cG5n"


def test_sync_runs_share_a_client(our_door: Door, api: str, loop: Any) -> None:
    client = our_door.async_client()
    agent = _weather_agent(_over(client, our_door, api))

    outputs = [agent.run_sync(f"city={city}").output for city in ("Paris", "Rome")]
    loop.run_until_complete(client.close())

    assert outputs == [f"The tool said: sunny in {city}" for city in ("Paris", "Rome")]
    assert our_door.billed() == our_door.brain.usages


async def test_a_bad_request_is_theirs_over_the_sdks(door: Door, model: Any) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(model).run("FAIL 400")

    assert caught.value.status_code == 400
    cause = caught.value.__cause__
    assert isinstance(cause, openai.BadRequestError)
    assert cause.code == "fake_400"
    assert len(door.brain.seen) == 1


async def test_a_rate_limit_is_tried_three_times_in_all(door: Door, model: Any) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(model).run("FAIL 429")

    assert caught.value.status_code == 429
    assert isinstance(caught.value.__cause__, openai.RateLimitError)
    assert len(door.brain.seen) == 3


async def test_a_stream_that_fails_at_once_is_the_same_error(door: Door, model: Any) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        async with Agent(model).run_stream("FAIL 400"):
            pass

    assert caught.value.status_code == 400


async def test_a_stream_that_breaks_off_raises(door: Door, model: Any) -> None:
    with pytest.raises(ModelAPIError, match="broken off"):
        async with Agent(model).run_stream("BREAK here") as run:
            await run.get_output()


async def test_a_budget_refuses_once_and_nothing_is_sent(inside: Door, inner: Any) -> None:
    inside.budget("0.0000001")

    with pytest.raises(ModelHTTPError) as caught:
        await Agent(inner).run("Hello there")

    assert isinstance(caught.value, ModelQuotaExceededError)
    assert caught.value.status_code == 402
    assert isinstance(caught.value.__cause__, openai.APIStatusError)
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


async def test_a_refused_budget_falls_back_as_they_document(inside: Door, inner: Any) -> None:
    inside.budget("0.0000001")
    agent = Agent(FallbackModel(inner, TestModel(custom_output_text="spare")))

    run = await agent.run("Hello there")

    assert run.output == "spare"


async def test_their_limits_count_our_tokens(door: Door, model: Any) -> None:
    limits = UsageLimits(output_tokens_limit=1)

    with pytest.raises(UsageLimitExceeded):
        await Agent(model).run("Hello there", usage_limits=limits)

    assert len(door.brain.seen) == 1


async def test_auto_is_routed_and_booked(auto: Door, api: str) -> None:
    async with auto.async_client() as client:
        run = await Agent(_over(client, auto, api)).run("Hello there")

    (row,) = auto.rows()
    assert run.output == f"{row.model.split('/')[-1]} speaks"
    assert _used(run.usage) == (row.prompt_tokens, row.completion_tokens)
