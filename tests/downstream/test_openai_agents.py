"""openai-agents over our client: both models, by hand and as the process's default client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import agents
import openai
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from agents.models import _openai_shared
from openai.types.responses import ResponseTextDeltaEvent
from openai.types.shared import Reasoning
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.downstream.conftest import Door

APIS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Person(BaseModel):
    name: str
    age: int


@function_tool
def get_weather(city: str) -> str:
    """Say the weather."""
    return f"sunny in {city}"


@function_tool
def get_time(city: str) -> str:
    """Say the time."""
    return f"noon in {city}"


@pytest.fixture(autouse=True)
def _untraced() -> Iterator[None]:
    """No trace leaves, and no default client outlives its test."""
    set_tracing_disabled(disabled=True)
    yield
    _openai_shared._default_openai_client = None
    agents.set_default_openai_api("responses")


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
        yield APIS[api](model=door.model, openai_client=client)


@pytest.fixture
async def inner(inside: Door, api: str) -> AsyncIterator[Any]:
    """A model over ``inside``."""
    async with inside.async_client() as client:
        yield APIS[api](model=inside.model, openai_client=client)


def _agent(model: Any, **options: Any) -> Any:
    return Agent(**{"name": "helper", "model": model, **options})


def _used(run: Any) -> tuple[int, int]:
    usage = run.context_wrapper.usage
    return usage.input_tokens, usage.output_tokens


def _total(usages: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(prompt for prompt, _ in usages), sum(written for _, written in usages)


async def _spelled(run: Any) -> list[str]:
    return [
        event.data.delta
        async for event in run.stream_events()
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent)
    ]


async def test_a_run_is_answered_with_the_tokens_that_we_book(door: Door, model: Any) -> None:
    agent = _agent(model, instructions="Be brief.", model_settings=ModelSettings(temperature=0.5))

    run = await Runner.run(agent, "Hello there")

    assert run.final_output == "You said: Hello there"
    assert _used(run) == door.brain.usages[0]
    assert run.context_wrapper.usage.input_tokens_details.cached_tokens == 3
    assert door.billed() == door.brain.usages
    (asked,) = door.brain.seen
    assert [m["content"] for m in asked["messages"]] == ["Be brief.", "Hello there"]
    assert asked["temperature"] == 0.5


async def test_a_stream_spells_the_answer_and_ends_in_its_tokens(door: Door, model: Any) -> None:
    agent = _agent(model, model_settings=ModelSettings(include_usage=True))

    run = Runner.run_streamed(agent, "one two three")
    pieces = await _spelled(run)

    assert "".join(pieces) == run.final_output == "You said: one two three"
    assert len(pieces) > 3
    assert _used(run) == door.brain.usages[0]
    assert door.billed() == door.brain.usages


async def test_a_tool_goes_round(door: Door, model: Any) -> None:
    run = await Runner.run(_agent(model, tools=[get_weather]), "Weather? city=Paris")

    assert run.final_output == "The tool said: sunny in Paris"
    assert len(run.raw_responses) == 2
    assert _used(run) == _total(door.brain.usages)
    assert door.billed() == door.brain.usages


async def test_a_tool_goes_round_in_a_stream(door: Door, model: Any) -> None:
    run = Runner.run_streamed(_agent(model, tools=[get_weather]), "Weather? city=Paris")

    items = [
        event.name async for event in run.stream_events() if event.type == "run_item_stream_event"
    ]

    assert items == ["tool_called", "tool_output", "message_output_created"]
    assert run.final_output == "The tool said: sunny in Paris"
    assert door.billed() == door.brain.usages


async def test_two_tools_are_called_at_once(door: Door, model: Any) -> None:
    agent = _agent(model, tools=[get_weather, get_time])

    run = await Runner.run(agent, "AT ONCE city=Paris")

    assert run.final_output == "The tool said: sunny in Paris noon in Paris"
    assert len(door.brain.seen) == 2


async def test_a_forced_tool_is_called(door: Door, model: Any) -> None:
    agent = _agent(
        model,
        tools=[get_weather, get_time],
        model_settings=ModelSettings(tool_choice="get_time"),
        tool_use_behavior="stop_on_first_tool",
    )

    run = await Runner.run(agent, "city=Paris")

    assert run.final_output == "noon in Paris"


async def test_a_handoff_goes_to_the_other_agent(door: Door, model: Any) -> None:
    expert = _agent(model, name="expert", tools=[get_weather], handoff_description="Weather.")
    triage = _agent(model, name="triage", handoffs=[expert])

    run = await Runner.run(triage, "Weather? city=Paris")

    assert run.last_agent.name == "expert"
    assert "sunny in Paris" in run.final_output
    assert len(door.brain.seen) == 3
    assert door.billed() == door.brain.usages


async def test_an_output_type_is_filled(door: Door, model: Any) -> None:
    run = await Runner.run(_agent(model, output_type=Person), "name=Ada age=36")

    assert run.final_output == Person(name="Ada", age=36)
    assert door.brain.seen[0]["response_format"]["json_schema"]["strict"] is True
    assert door.billed() == door.brain.usages


async def test_an_output_type_is_filled_in_a_stream_after_tools(door: Door, model: Any) -> None:
    agent = _agent(model, output_type=Person, tools=[get_weather])

    run = Runner.run_streamed(agent, "city=Paris name=Ada age=36")
    await _spelled(run)

    assert run.final_output == Person(name="Ada", age=36)
    assert len(door.brain.seen) == 2
    assert door.billed() == door.brain.usages


async def test_a_conversation_goes_on(door: Door, model: Any) -> None:
    agent = _agent(model, tools=[get_weather])

    first = await Runner.run(agent, "city=Paris")
    said = [*first.to_input_list(), {"role": "user", "content": "And now? city=Rome"}]
    second = await Runner.run(agent, said)

    assert second.final_output == "The tool said: sunny in Rome"
    assert len(door.brain.seen) == 4


async def test_an_image_arrives(door: Door, model: Any) -> None:
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
    ]

    await Runner.run(_agent(model), [{"role": "user", "content": parts}])

    _, image = door.brain.seen[0]["messages"][0]["content"]
    assert image == {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}


async def test_settings_arrive_in_the_words_of_chat(door: Door, model: Any) -> None:
    settings = ModelSettings(
        top_p=0.5, reasoning=Reasoning(effort="low"), verbosity="low", extra_body={"seed": 3}
    )

    await Runner.run(_agent(model, model_settings=settings), "Hello there")

    (asked,) = door.brain.seen
    assert (asked["top_p"], asked["seed"]) == (0.5, 3)
    assert (asked["reasoning_effort"], asked["verbosity"]) == ("low", "low")


async def test_what_only_openais_responses_do_is_refused_by_name(our_door: Door) -> None:
    async with our_door.async_client() as client:
        model = OpenAIResponsesModel(model=our_door.model, openai_client=client)

        with pytest.raises(openai.BadRequestError, match="web_search"):
            await Runner.run(_agent(model, tools=[agents.WebSearchTool()]), "Hello there")
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            await Runner.run(_agent(model), "Hello there", previous_response_id="resp_1")

    assert our_door.brain.seen == []


async def test_a_session_remembers(door: Door, model: Any) -> None:
    session = agents.SQLiteSession("one")
    agent = _agent(model)

    await Runner.run(agent, "Hello there", session=session)
    await Runner.run(agent, "Once more", session=session)
    session.close()

    roles = [m["role"] for m in door.brain.seen[1]["messages"]]
    assert roles == ["user", "assistant", "user"]


async def test_our_client_as_their_default_is_asked(our_door: Door, api: str) -> None:
    async with our_door.async_client() as client:
        agents.set_default_openai_client(client, use_for_tracing=False)
        agents.set_default_openai_api("chat_completions" if api == "chat" else "responses")

        run = await Runner.run(_agent(our_door.model, tools=[get_weather]), "city=Paris")

    assert run.final_output == "The tool said: sunny in Paris"
    assert our_door.billed() == our_door.brain.usages


# Their run_sync shuts the loop's async generators down and goes on using it; httpx is told off too.
@pytest.mark.filterwarnings("ignore:asynchronous generator:ResourceWarning")
def test_sync_runs_share_a_client(our_door: Door, api: str, loop: Any) -> None:
    client = our_door.async_client()
    agent = _agent(APIS[api](model=our_door.model, openai_client=client), tools=[get_weather])

    outputs = [Runner.run_sync(agent, f"city={city}").final_output for city in ("Paris", "Rome")]
    loop.run_until_complete(client.close())

    assert outputs == [f"The tool said: sunny in {city}" for city in ("Paris", "Rome")]
    assert our_door.billed() == our_door.brain.usages


async def test_a_bad_request_is_the_sdks(door: Door, model: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await Runner.run(_agent(model), "FAIL 400")

    assert caught.value.code == "fake_400"
    assert len(door.brain.seen) == 1


async def test_a_rate_limit_is_tried_three_times_in_all(door: Door, model: Any) -> None:
    with pytest.raises(openai.RateLimitError):
        await Runner.run(_agent(model), "FAIL 429")

    assert len(door.brain.seen) == 3


async def test_a_stream_that_fails_at_once_is_the_same_error(door: Door, model: Any) -> None:
    run = Runner.run_streamed(_agent(model), "FAIL 400")

    with pytest.raises(openai.BadRequestError):
        await _spelled(run)


async def test_a_stream_that_breaks_off_raises(door: Door, model: Any) -> None:
    run = Runner.run_streamed(_agent(model), "BREAK here")

    # Chat says it with an error in the stream, responses with an event that ends it.
    with pytest.raises((openai.APIError, agents.exceptions.ModelBehaviorError), match="broken off"):
        await _spelled(run)


async def test_a_stream_that_is_cancelled_is_booked(our_door: Door, api: str) -> None:
    async with our_door.async_client() as client:
        model = APIS[api](model=our_door.model, openai_client=client)
        run = Runner.run_streamed(_agent(model), "one two three")
        async for event in run.stream_events():
            if event.type == "raw_response_event":
                run.cancel()

    rows = our_door.rows()

    assert len(rows) == 1
    assert rows[0].state in ("settled", "estimated")


async def test_a_refusal_is_theirs(door: Door, model: Any) -> None:
    with pytest.raises(agents.exceptions.ModelRefusalError, match="I will not say that"):
        await Runner.run(_agent(model), "REFUSE")


async def test_a_budget_refuses_once_and_nothing_is_sent(inside: Door, inner: Any) -> None:
    inside.budget("0.0000001")

    with pytest.raises(openai.APIStatusError) as caught:
        await Runner.run(_agent(inner), "Hello there")

    assert caught.value.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


async def test_auto_is_routed_and_booked(auto: Door, api: str) -> None:
    async with auto.async_client() as client:
        model = APIS[api](model=auto.model, openai_client=client)
        run = await Runner.run(_agent(model), "Hello there")

    (row,) = auto.rows()
    assert run.final_output == f"{row.model.split('/')[-1]} speaks"
    assert _used(run) == (row.prompt_tokens, row.completion_tokens)
