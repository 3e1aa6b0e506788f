"""smolagents over our client: ``OpenAIModel(model_id, client=...)``, or its ``create_client``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from smolagents import (
    ChatMessage,
    CodeAgent,
    MessageRole,
    OpenAIModel,
    OpenAIServerModel,
    ToolCallingAgent,
    tool,
)
from smolagents.models import agglomerate_stream_deltas
from smolagents.utils import AgentGenerationError

if TYPE_CHECKING:
    from tests.downstream.conftest import Door

RESULT = {"type": "json_schema", "json_schema": {"name": "r", "strict": True, "schema": {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}}}  # fmt: skip


@tool
def get_weather(city: str) -> str:
    """Say the weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


def _model(door: Door, **options: Any) -> Any:
    return OpenAIModel(door.model, client=door.client(), retry=False, **options)


def _said(text: str) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=text)]


def _total(tokens: Any) -> tuple[int, int]:
    return tokens.input_tokens, tokens.output_tokens


def test_a_message_is_answered_with_the_tokens_that_we_book(door: Door) -> None:
    answer = _model(door).generate(_said("Hello there"))

    assert answer.content == "You said: Hello there"
    assert _total(answer.token_usage) == door.brain.usages[0]
    assert door.billed() == door.brain.usages


def test_a_stream_spells_the_answer_and_ends_in_its_tokens(door: Door) -> None:
    deltas = list(_model(door).generate_stream(_said("one two three")))

    answer = agglomerate_stream_deltas(deltas)
    assert answer.content == "You said: one two three"
    assert len(deltas) > 3
    assert _total(answer.token_usage) == door.brain.usages[0]
    assert door.billed() == door.brain.usages


def test_a_tool_is_called(door: Door) -> None:
    answer = _model(door).generate(_said("weather city=Paris"), tools_to_call_from=[get_weather])

    (call,) = answer.tool_calls
    assert call.function.name == "get_weather"
    assert call.function.arguments == '{"city": "Paris"}'


def test_a_schema_is_filled(door: Door) -> None:
    answer = _model(door).generate(_said("name=Ada age=36"), response_format=RESULT)

    assert answer.content == '{"name": "Ada", "age": 36}'


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_calling_agent_goes_round(door: Door, stream: bool) -> None:
    agent = ToolCallingAgent(
        tools=[get_weather], model=_model(door), verbosity_level=0, stream_outputs=stream
    )

    run = agent.run("How is the weather? city=Paris", return_full_result=True)

    assert "sunny in Paris" in run.output
    assert len(door.brain.seen) == 2
    assert door.billed() == door.brain.usages
    prompts, written = zip(*door.brain.usages, strict=True)
    assert _total(run.token_usage) == (sum(prompts), sum(written))


def test_a_code_agent_of_structured_outputs_goes_round(door: Door) -> None:
    agent = CodeAgent(
        tools=[],
        model=_model(door),
        use_structured_outputs_internally=True,
        verbosity_level=0,
    )

    answer = agent.run("thought=easy code=final_answer(6*7)#")

    assert answer == 42
    assert door.billed() == door.brain.usages


def test_a_client_of_a_subclass_is_used(our_door: Door) -> None:
    class Routed(OpenAIServerModel):
        def create_client(self) -> Any:
            return our_door.client()

    answer = Routed(our_door.model).generate(_said("Hello there"))

    assert answer.content == "You said: Hello there"
    assert our_door.billed() == our_door.brain.usages


def test_ours_in_place_of_openai_takes_their_arguments(
    our_door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trunkline.openai

    monkeypatch.setattr(openai, "OpenAI", trunkline.openai.OpenAI)
    store = {"store": our_door.store, "models": our_door.settings()["models"]}
    model = OpenAIModel(
        our_door.model,
        api_base=our_door.url,
        api_key="k",
        client_kwargs={**store, "max_retries": 0},
    )

    answer = model.generate(_said("Hello there"))
    model.client.close()

    assert answer.content == "You said: Hello there"
    assert our_door.billed() == our_door.brain.usages


def test_a_bad_request_is_the_sdks(door: Door) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        _model(door).generate(_said("FAIL 400"))

    assert caught.value.code == "fake_400"
    assert len(door.brain.seen) == 1


def test_an_agent_wraps_the_error(door: Door) -> None:
    agent = ToolCallingAgent(tools=[get_weather], model=_model(door), verbosity_level=0)

    with pytest.raises(AgentGenerationError) as caught:
        agent.run("FAIL 400")

    assert isinstance(caught.value.__cause__, openai.BadRequestError)


def test_a_rate_limit_is_retried_by_us_and_known_to_them(door: Door) -> None:
    from smolagents.models import is_rate_limit_error

    with pytest.raises(openai.RateLimitError) as caught:
        _model(door).generate(_said("FAIL 429"))

    assert is_rate_limit_error(caught.value)
    assert len(door.brain.seen) == 3


def test_a_budget_refuses_once_and_nothing_is_sent(inside: Door) -> None:
    inside.budget("0.0000001")

    with pytest.raises(openai.APIStatusError) as caught:
        _model(inside).generate(_said("Hello there"))

    assert caught.value.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


def test_a_budget_that_runs_out_stops_the_agent(inside: Door) -> None:
    inside.budget("0.02")
    agent = ToolCallingAgent(
        tools=[get_weather], model=_model(inside, max_tokens=50), verbosity_level=0
    )

    def run_on() -> None:
        for _ in range(50):
            agent.run("How is the weather? city=Paris")

    with pytest.raises(AgentGenerationError) as caught:
        run_on()

    cause = caught.value.__cause__
    assert isinstance(cause, openai.APIStatusError)
    assert cause.status_code == 402
    assert len(inside.brain.seen) > 0
    assert inside.billed() == inside.brain.usages


def test_auto_is_routed_and_booked(auto: Door) -> None:
    answer = _model(auto).generate(_said("Hello there"))

    (row,) = auto.rows()
    assert answer.content == f"{row.model.split('/')[-1]} speaks"
    assert _total(answer.token_usage) == (row.prompt_tokens, row.completion_tokens)
