"""langchain-openai over our clients, each handed in by its four arguments."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
import tiktoken
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field
from tests.downstream.fakes import EMBEDDER, MODEL
from tests.downstream.talk import SAID, TOLD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.downstream.conftest import Door

# The library dumps the SDK's parsed answer under the type of the plain one.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")

BYTES = "bytes"  # a tokenizer that needs no download: the library cuts texts into tokens itself


class Weather(BaseModel):
    """How the weather is."""

    city: str
    degrees: int = Field(description="Celsius")


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sun in {city}"


def chat(door: Door, **options: Any) -> Any:
    """Return a model for synchronous calls."""
    root, root_async = door.client(), door.async_client()
    return ChatOpenAI(
        model=door.model,
        client=root.chat.completions,
        async_client=root_async.chat.completions,
        root_client=root,
        root_async_client=root_async,
        **options,
    )


@asynccontextmanager
async def async_chat(door: Door, **options: Any) -> AsyncIterator[Any]:
    """Open a model for asynchronous calls."""
    model = chat(door, **options)
    async with model.root_async_client:
        yield model


@pytest.fixture(autouse=True)
def _tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = {bytes([i]): i for i in range(256)}
    encoding = tiktoken.Encoding(BYTES, pat_str=".", mergeable_ranks=ranks, special_tokens={})
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, BYTES, encoding)
    monkeypatch.setitem(tiktoken.model.MODEL_TO_ENCODING, BYTES, BYTES)


def tokens(usage: Any) -> tuple[int, int]:
    return usage["input_tokens"], usage["output_tokens"]


def test_invoke_answers_with_the_usage_of_the_books(door: Door) -> None:
    message = chat(door).invoke("hello")

    assert message.content == SAID + "hello"
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["model_name"] == MODEL
    assert [tokens(message.usage_metadata)] == door.billed()
    assert message.usage_metadata["output_token_details"]["reasoning"] == 2


def test_stream_yields_pieces_and_at_its_end_the_usage(door: Door) -> None:
    pieces = list(chat(door, stream_usage=True).stream("hello there"))

    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert len([p for p in pieces if p.content]) > 1
    assert whole.content == SAID + "hello there"
    assert whole.response_metadata["finish_reason"] == "stop"
    assert [tokens(whole.usage_metadata)] == door.billed()


def test_a_stream_that_asked_for_no_usage_is_booked_all_the_same(our_door: Door) -> None:
    pieces = list(chat(our_door).stream("hello"))

    assert all(piece.usage_metadata is None for piece in pieces)
    assert our_door.billed() == our_door.brain.usages


def test_a_stream_that_is_left_early_is_booked_once(our_door: Door) -> None:
    stream = chat(our_door).stream("hello you out there")
    next(stream)
    stream.close()

    assert len(our_door.rows()) == 1


async def test_ainvoke_answers_with_the_usage_of_the_books(door: Door) -> None:
    async with async_chat(door) as model:
        message = await model.ainvoke("hello")

    assert message.content == SAID + "hello"
    assert [tokens(message.usage_metadata)] == door.billed()


async def test_astream_yields_pieces_and_at_its_end_the_usage(door: Door) -> None:
    async with async_chat(door, stream_usage=True) as model:
        pieces = [piece async for piece in model.astream("hello there")]

    assert "".join(piece.content for piece in pieces) == SAID + "hello there"
    assert [tokens(p.usage_metadata) for p in pieces if p.usage_metadata] == door.billed()


def test_a_batch_asks_from_many_threads_and_books_each_call(our_door: Door) -> None:
    prompts = [f"question {i}" for i in range(8)]

    answers = chat(our_door).batch(prompts)

    assert [a.content for a in answers] == [SAID + p for p in prompts]
    assert sorted(our_door.billed()) == sorted(tokens(a.usage_metadata) for a in answers)


async def test_an_awaited_batch_asks_at_once_and_books_each_call(our_door: Door) -> None:
    prompts = [f"question {i}" for i in range(8)]

    async with async_chat(our_door) as model:
        answers = await model.abatch(prompts)

    assert [a.content for a in answers] == [SAID + p for p in prompts]
    assert sorted(our_door.billed()) == sorted(tokens(a.usage_metadata) for a in answers)


async def test_an_awaited_stream_that_is_left_early_is_booked_once(our_door: Door) -> None:
    async with async_chat(our_door) as model, aclosing(model.astream("hello you")) as stream:
        await anext(stream)
    # The library leaves its inner generator to the loop, which closes it in its next turns.
    for _ in range(10):
        await asyncio.sleep(0)

    assert len(our_door.rows()) == 1


def test_a_bound_tool_is_called_and_its_result_told(door: Door) -> None:
    model = chat(door).bind_tools([weather])
    talk: list[Any] = [HumanMessage("How is it in city=Oslo ?")]

    talk.append(model.invoke(talk))
    (call,) = talk[-1].tool_calls
    talk.append(ToolMessage(weather(**call["args"]), tool_call_id=call["id"]))
    answer = model.invoke(talk)

    assert (call["name"], call["args"]) == ("weather", {"city": "Oslo"})
    assert talk[1].content == ""
    assert answer.content == TOLD + "sun in Oslo"
    assert [tokens(talk[1].usage_metadata), tokens(answer.usage_metadata)] == door.billed()


def test_a_streamed_tool_call_is_joined_from_its_pieces(door: Door) -> None:
    pieces = list(chat(door).bind_tools([weather]).stream("How is it in city=Trondheim ?"))

    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert len([p for p in pieces if p.tool_call_chunks]) > 1
    assert [(c["name"], c["args"]) for c in whole.tool_calls] == [
        ("weather", {"city": "Trondheim"})
    ]


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_by_each_method(door: Door, method: str) -> None:
    model = chat(door).with_structured_output(Weather, method=method)

    answer = model.invoke("JSON: city=Oslo degrees=7")

    assert answer == Weather(city="Oslo", degrees=7)
    assert door.billed() == door.brain.usages
    assert len(door.brain.usages) == 1


def test_structured_output_streamed(door: Door) -> None:
    model = chat(door).with_structured_output(Weather)

    answers = list(model.stream("city=Oslo degrees=7"))

    assert answers[-1] == Weather(city="Oslo", degrees=7)
    assert door.brain.seen[-1]["stream"] is True


async def test_structured_output_awaited_and_streamed(door: Door) -> None:
    async with async_chat(door) as model:
        structured = model.with_structured_output(Weather)
        plain = await structured.ainvoke("city=Oslo degrees=7")
        streamed = [part async for part in structured.astream("city=Bergen degrees=9")]

    assert plain == Weather(city="Oslo", degrees=7)
    assert streamed[-1] == Weather(city="Bergen", degrees=9)


def test_a_refusal_of_structured_output_raises_the_librarys_error(door: Door) -> None:
    model = chat(door).with_structured_output(Weather, method="json_schema")

    with pytest.raises(Exception, match="will not say that") as caught:
        model.invoke("REFUSE")

    assert type(caught.value).__name__ == "OpenAIRefusalError"


def test_responses_api_answers_with_the_usage_of_the_books(our_door: Door) -> None:
    message = chat(our_door, use_responses_api=True).invoke("hello")

    assert message.text == SAID + "hello"
    assert message.response_metadata["object"] == "response"
    assert [tokens(message.usage_metadata)] == our_door.billed()


def test_responses_api_streams_pieces_and_usage(our_door: Door) -> None:
    pieces = list(chat(our_door, use_responses_api=True).stream("hello there"))

    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert len([p for p in pieces if p.text]) > 1
    assert whole.text == SAID + "hello there"
    assert [tokens(whole.usage_metadata)] == our_door.billed()


def test_responses_api_calls_a_tool_and_tells_its_result(our_door: Door) -> None:
    model = chat(our_door, use_responses_api=True).bind_tools([weather])
    talk: list[Any] = [HumanMessage("How is it in city=Oslo ?")]

    talk.append(model.invoke(talk))
    (call,) = talk[-1].tool_calls
    talk.append(ToolMessage(weather(**call["args"]), tool_call_id=call["id"]))
    answer = model.invoke(talk)

    assert call["args"] == {"city": "Oslo"}
    assert answer.text == TOLD + "sun in Oslo"


def test_responses_api_structured_output(our_door: Door) -> None:
    model = chat(our_door, use_responses_api=True).with_structured_output(Weather)

    answer = model.invoke("city=Oslo degrees=7")

    assert answer == Weather(city="Oslo", degrees=7)


async def test_responses_api_awaited_and_streamed(our_door: Door) -> None:
    async with async_chat(our_door, use_responses_api=True) as model:
        plain = await model.ainvoke("hello")
        streamed = [piece.text async for piece in model.astream("hello there")]

    assert plain.text == SAID + "hello"
    assert "".join(streamed) == SAID + "hello there"
    assert our_door.billed() == our_door.brain.usages


def test_the_old_completions_model_answers_and_streams(our_door: Door) -> None:
    root, root_async = our_door.client(), our_door.async_client()
    model = OpenAI(model=MODEL, client=root.completions, async_client=root_async.completions)

    plain = model.generate(["hello"])
    streamed = list(model.stream("hello there"))

    assert plain.generations[0][0].text == SAID + "hello"
    assert len([piece for piece in streamed if piece]) > 1
    assert "".join(streamed) == SAID + "hello there"
    usage = plain.llm_output["token_usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == our_door.billed()[0]


async def test_the_old_completions_model_awaited(our_door: Door) -> None:
    root, root_async = our_door.client(), our_door.async_client()
    model = OpenAI(model=MODEL, client=root.completions, async_client=root_async.completions)

    async with root_async:
        assert await model.ainvoke("hello") == SAID + "hello"


def test_several_prompts_of_the_old_completions_model_are_booked_each(our_door: Door) -> None:
    root, root_async = our_door.client(), our_door.async_client()
    model = OpenAI(model=MODEL, client=root.completions, async_client=root_async.completions)

    result = model.generate(["one", "two"])

    assert [row[0].text for row in result.generations] == [SAID + "one", SAID + "two"]
    assert len(our_door.billed()) == 2
    assert result.llm_output["token_usage"]["total_tokens"] == sum(map(sum, our_door.billed()))


async def test_embeddings_of_documents_and_queries(door: Door) -> None:
    root, root_async = door.client(), door.async_client()
    model = OpenAIEmbeddings(
        model=EMBEDDER,
        client=root.embeddings,
        async_client=root_async.embeddings,
        check_embedding_ctx_length=False,  # else it fetches a tokenizer
    )

    documents = model.embed_documents(["one", "two"])
    async with root_async:
        query = await model.aembed_query("one")

    assert documents == [[0.5, 0.0], [0.5, 1.0]]
    assert query == [0.5, 0.0]
    assert [prompt for prompt, _ in door.billed()] == [prompt for prompt, _ in door.brain.usages]


def test_embeddings_of_token_numbers(door: Door) -> None:
    model = OpenAIEmbeddings(
        model=EMBEDDER,
        client=door.client().embeddings,
        async_client=door.async_client().embeddings,
        tiktoken_model_name=BYTES,
    )

    assert model.embed_documents(["one", "two"]) == [[0.5, 0.0], [0.5, 1.0]]
    assert door.brain.seen[-1]["input"] == [list(b"one"), list(b"two")]


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
    with pytest.raises(error, match="as the prompt asked") as caught:
        chat(door).invoke(f"FAIL {status}")

    assert caught.value.status_code == status
    assert caught.value.request_id


@pytest.mark.parametrize(("max_retries", "requests"), [(0, 1), (2, 3)])
def test_retries_are_those_of_the_client_and_do_not_multiply(
    door: Door, max_retries: int, requests: int
) -> None:
    root = door.client(max_retries=max_retries)
    model = chat(door).model_copy(update={"client": root.chat.completions, "root_client": root})

    with pytest.raises(openai.RateLimitError):
        model.invoke("FAIL 429")

    assert len(door.brain.seen) == requests


def test_a_stream_that_breaks_off_raises_after_what_came(door: Door) -> None:
    stream = chat(door).stream("BREAK off")
    said = [next(stream).content, next(stream).content]

    with pytest.raises(openai.APIError, match="broken off"):
        list(stream)

    assert "".join(said) == "You"


def test_a_failure_that_passes_is_retried_unseen(door: Door) -> None:
    assert chat(door).invoke("FAIL 429 ONCE").content == SAID + "FAIL 429 ONCE"


async def test_an_awaited_failure_is_the_sdks_class(door: Door) -> None:
    async with async_chat(door) as model:
        with pytest.raises(openai.RateLimitError):
            await model.ainvoke("FAIL 429")


@pytest.mark.parametrize("options", [{}, {"use_responses_api": True}])
def test_a_budget_refuses_once_as_status_402(inside: Door, options: dict[str, Any]) -> None:
    inside.budget("0.0000001")

    with pytest.raises(openai.APIStatusError) as caught:
        chat(inside, **options).invoke("hello")

    assert caught.value.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


def test_a_budget_refuses_a_stream_before_its_first_piece(inside: Door) -> None:
    inside.budget("0.0000001")

    with pytest.raises(openai.APIStatusError) as caught:
        next(chat(inside).stream("hello"))

    assert caught.value.status_code == 402
    assert len(inside.refusals) == 1


def test_headers_tell_the_request_and_our_routing(our_door: Door) -> None:
    message = chat(our_door, include_response_headers=True).invoke("hello")

    headers = message.response_metadata["headers"]
    assert headers["x-request-id"] == "req-fake"
    assert headers["x-trunkline-routing-id"] == our_door.rows()[0].routing_id


def test_tags_for_the_books_go_by_extra_body(our_door: Door) -> None:
    chat(our_door, extra_body={"trunkline": {"tags": {"job": "nightly"}}}).invoke("hello")

    (row,) = our_door.books().usage.summary(by=["tag:job"])
    assert (row["tag:job"], row["calls"]) == ("nightly", 1)
    assert "trunkline" not in our_door.brain.seen[-1]


def test_auto_says_which_model_answered(auto: Door) -> None:
    message = chat(auto).invoke("hello")

    assert message.response_metadata["model_name"] in {"small", "big"}
    assert [row.model for row in auto.rows()] == [message.response_metadata["model_name"]]
