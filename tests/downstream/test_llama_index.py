"""llama-index over our clients, handed in as ``openai_client`` and ``async_openai_client``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses
from pydantic import BaseModel
from tests.downstream.fakes import EMBEDDER, MODEL
from tests.downstream.talk import SAID, TOLD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.downstream.conftest import Door

INSTRUCT = "gpt-3.5-turbo-instruct"  # what the library asks for by the old completions
USAGE = {"stream_options": {"include_usage": True}}


class Weather(BaseModel):
    """How the weather is."""

    city: str
    degrees: int


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sun in {city}"


def talk(text: str) -> list[Any]:
    return [ChatMessage(role="user", content=text)]


def llm(door: Door, kind: Any = OpenAI, **options: Any) -> Any:
    """Return a model; ``max_retries`` are the library's own, on top of the client's."""
    return kind(
        **{"model": MODEL, "max_retries": 0, **options},
        openai_client=door.client(),
        async_openai_client=door.async_client(),
    )


@asynccontextmanager
async def async_llm(door: Door, **options: Any) -> AsyncIterator[Any]:
    """Open a model for asynchronous calls."""
    async with door.async_client() as client:
        yield OpenAI(model=MODEL, max_retries=0, async_openai_client=client, **options)


def tokens(usage: Any) -> tuple[int, int]:
    return usage.prompt_tokens, usage.completion_tokens


def test_chat_answers_with_the_usage_of_the_books(door: Door) -> None:
    response = llm(door).chat(talk("hello"))

    assert response.message.content == SAID + "hello"
    assert [tokens(response.raw.usage)] == door.billed()
    assert response.additional_kwargs["total_tokens"] == sum(door.billed()[0])


def test_complete_goes_by_chat(door: Door) -> None:
    assert llm(door).complete("hello").text == SAID + "hello"
    assert door.billed() == door.brain.usages


def test_stream_chat_yields_pieces_and_at_its_end_the_usage(door: Door) -> None:
    pieces = list(llm(door, additional_kwargs=USAGE).stream_chat(talk("hello there")))

    assert len([piece for piece in pieces if piece.delta]) > 1
    assert "".join(piece.delta for piece in pieces) == SAID + "hello there"
    assert pieces[-1].message.content == SAID + "hello there"
    assert [tokens(pieces[-1].raw.usage)] == door.billed()


async def test_achat_answers_with_the_usage_of_the_books(door: Door) -> None:
    async with async_llm(door) as model:
        response = await model.achat(talk("hello"))

    assert response.message.content == SAID + "hello"
    assert [tokens(response.raw.usage)] == door.billed()


async def test_astream_chat_yields_pieces(door: Door) -> None:
    async with async_llm(door, additional_kwargs=USAGE) as model:
        pieces = [piece async for piece in await model.astream_chat(talk("hello there"))]

    assert "".join(piece.delta for piece in pieces) == SAID + "hello there"
    assert [tokens(pieces[-1].raw.usage)] == door.billed()


def test_a_tool_is_predicted_and_called(door: Door) -> None:
    tool = FunctionTool.from_defaults(weather)

    response = llm(door).predict_and_call([tool], "How is it in city=Oslo ?")

    assert response.response == "sun in Oslo"
    assert response.sources[0].raw_input["kwargs"] == {"city": "Oslo"}


def test_a_tools_result_goes_back_and_is_told(door: Door) -> None:
    model, tool = llm(door), FunctionTool.from_defaults(weather)
    messages = talk("How is it in city=Oslo ?")

    asked = model.chat_with_tools([tool], chat_history=messages)
    (call,) = model.get_tool_calls_from_response(asked)
    result = weather(**call.tool_kwargs)
    told = ChatMessage(
        role="tool", content=result, additional_kwargs={"tool_call_id": call.tool_id}
    )
    answer = model.chat_with_tools([tool], chat_history=[*messages, asked.message, told])

    assert answer.message.content == TOLD + "sun in Oslo"
    assert [tokens(asked.raw.usage), tokens(answer.raw.usage)] == door.billed()


# The library asks an agent for every attribute it has, those that pydantic has deprecated too.
@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
async def test_an_agent_calls_its_tool_and_tells_the_result(door: Door) -> None:
    async with async_llm(door) as model:
        agent = FunctionAgent(tools=[FunctionTool.from_defaults(weather)], llm=model)
        answer = await agent.run("How is it in city=Oslo ?")

    assert str(answer) == TOLD + "sun in Oslo"
    assert len(door.billed()) == 2


def test_structured_predict(door: Door) -> None:
    answer = llm(door).structured_predict(Weather, PromptTemplate("city=Oslo degrees=7"))

    assert answer == Weather(city="Oslo", degrees=7)
    assert door.brain.seen[-1]["response_format"]["type"] == "json_schema"
    assert door.billed() == door.brain.usages


def test_a_structured_model_by_its_tool(door: Door) -> None:
    model = llm(door, pydantic_program_mode="function").as_structured_llm(Weather)

    response = model.chat(talk("city=Oslo degrees=7"))

    assert response.raw == Weather(city="Oslo", degrees=7)


def test_a_structured_answer_streamed(door: Door) -> None:
    prompt = PromptTemplate("city=Oslo degrees=7")

    parts = list(llm(door).stream_structured_predict(Weather, prompt))

    assert parts[-1] == Weather(city="Oslo", degrees=7)


async def test_a_structured_answer_awaited(door: Door) -> None:
    async with async_llm(door) as model:
        answer = await model.astructured_predict(Weather, PromptTemplate("city=Oslo degrees=7"))

    assert answer == Weather(city="Oslo", degrees=7)


def test_responses_answer_and_stream(our_door: Door) -> None:
    model = llm(our_door, OpenAIResponses)

    plain = model.chat(talk("hello"))
    streamed = list(model.stream_chat(talk("hello there")))

    assert plain.message.content == SAID + "hello"
    assert len([piece for piece in streamed if piece.delta]) > 1
    assert "".join(piece.delta for piece in streamed) == SAID + "hello there"
    usage = plain.raw.usage
    assert (usage.input_tokens, usage.output_tokens) == our_door.billed()[0]
    assert our_door.billed() == our_door.brain.usages


def test_responses_call_a_tool(our_door: Door) -> None:
    tool = FunctionTool.from_defaults(weather)

    response = llm(our_door, OpenAIResponses).predict_and_call([tool], "How is it in city=Oslo ?")

    assert response.response == "sun in Oslo"


def test_an_instruct_model_answers_and_streams(our_door: Door) -> None:
    model = llm(our_door, model=INSTRUCT, max_tokens=100)

    plain = model.complete("hello")
    streamed = list(model.stream_complete("hello there"))

    assert plain.text == SAID + "hello"
    assert len([piece for piece in streamed if piece.delta]) > 1
    assert streamed[-1].text == SAID + "hello there"
    assert tokens(plain.raw.usage) == our_door.billed()[0]


async def test_embeddings_of_texts_and_queries(door: Door) -> None:
    model = OpenAIEmbedding(model=EMBEDDER, api_key="unused")
    # It has no argument for a client, and takes the one it already has.
    model._client, model._aclient = door.client(), door.async_client()

    texts = model.get_text_embedding_batch(["one", "two"])
    async with model._aclient:
        query = await model.aget_query_embedding("one")

    assert texts == [[0.5, 0.0], [0.5, 1.0]]
    assert query == [0.5, 0.0]
    assert [prompt for prompt, _ in door.billed()] == [prompt for prompt, _ in door.brain.usages]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_failures_are_the_sdks_classes(
    door: Door, status: int, error: type[openai.APIStatusError]
) -> None:
    with pytest.raises(error, match="as the prompt asked"):
        llm(door).chat(talk(f"FAIL {status}"))


async def test_an_awaited_failure_is_the_sdks_class(door: Door) -> None:
    async with async_llm(door) as model:
        with pytest.raises(openai.RateLimitError):
            await model.achat(talk("FAIL 429"))


def test_retries_are_those_of_the_client_and_do_not_multiply(door: Door) -> None:
    with pytest.raises(openai.RateLimitError):
        llm(door).chat(talk("FAIL 429"))

    assert len(door.brain.seen) == 3


def test_a_stream_that_breaks_off_raises_after_what_came(door: Door) -> None:
    stream = llm(door).stream_chat(talk("BREAK off"))
    pieces = [next(stream).delta, next(stream).delta]

    with pytest.raises(openai.APIError, match="broken off"):
        list(stream)

    assert "".join(pieces) == "You"


def test_a_failure_that_passes_is_retried_unseen(door: Door) -> None:
    response = llm(door).chat(talk("FAIL 429 ONCE"))

    assert response.message.content == SAID + "FAIL 429 ONCE"


@pytest.mark.parametrize("kind", [OpenAI, OpenAIResponses])
def test_a_budget_refuses_once_as_status_402(inside: Door, kind: Any) -> None:
    inside.budget("0.0000001")

    with pytest.raises(openai.APIStatusError) as caught:
        llm(inside, kind, max_retries=3).chat(talk("hello"))

    assert caught.value.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []
