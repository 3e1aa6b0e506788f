"""What the genuine client gives back for a call that a Router answered."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import anyio
import openai
import pytest
from tests.support.faces import HELLO, zoo

from trunkline import AsyncRouter, Router
from trunkline.openai import AsyncOpenAI, OpenAI
from trunkline.providers import EchoProvider, OpenAIProvider

if TYPE_CHECKING:
    from tests.openai_clients.conftest import Noted

AUTO: dict[str, Any] = {"model": "auto", "messages": HELLO, "max_tokens": 20}


@pytest.fixture
def router(store_path: str) -> Router:
    return Router(providers=[zoo()], models=["small", "big"], store=store_path, seed=7)


def test_the_routing_is_on_the_answer_and_in_its_headers(router: Router) -> None:
    raw = OpenAI(router=router).chat.completions.with_raw_response.create(**AUTO)
    answer = raw.parse()

    told: Any = (answer.model_extra or {})["trunkline"]
    assert told["provider"] == "sim"
    assert told["actual"]["prompt_tokens"] == (answer.usage and answer.usage.prompt_tokens)
    assert raw.headers["x-trunkline-routing-id"] == told["id"]
    assert raw.headers["x-trunkline-cost-usd"] == told["actual"]["cost_usd"]
    assert router.explain(told["id"]).chosen.model == told["model"]


def test_the_routing_of_a_stream_is_on_its_last_chunk_settled(router: Router) -> None:
    chunks = list(OpenAI(router=router).chat.completions.create(**AUTO, stream=True))

    assert [("trunkline" in (c.model_extra or {})) for c in chunks[:-1]] == [False] * (
        len(chunks) - 1
    )
    told: Any = (chunks[-1].model_extra or {})["trunkline"]
    assert chunks[-1].choices[0].finish_reason is not None
    (record,) = router.usage.records()
    assert (record.routing_id, f"{record.cost_usd:f}") == (told["id"], told["actual"]["cost_usd"])


def test_with_the_usage_asked_for_the_routing_is_on_the_usage(router: Router) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        OpenAI(router=router).chat.completions.create(**AUTO, stream=True, stream_options=options)
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert "trunkline" in (chunks[-1].model_extra or {})
    assert chunks[-2].choices[0].finish_reason is not None


def test_a_genuine_answer_is_what_feedback_takes(router: Router) -> None:
    answer = OpenAI(router=router).chat.completions.create(**AUTO)

    router.feedback(answer, score=0.9)

    with pytest.raises(ValueError, match="score"):
        router.feedback(answer, score=9)


def test_routing_is_steered_by_the_body(router: Router) -> None:
    client = OpenAI(router=router)

    answer = client.chat.completions.create(
        **AUTO, extra_body={"trunkline": {"models": ["big"], "team": "research"}}
    )

    told: Any = (answer.model_extra or {})["trunkline"]
    assert (told["model"], told["team"]) == ("big", "research")


def test_settings_of_a_view_survive_further_copies(router: Router) -> None:
    client = OpenAI(router=router).with_options(team="research", tags={"app": "x"})

    client.with_options(timeout=3).chat.completions.create(**AUTO)
    OpenAI(router=router).chat.completions.create(**AUTO)

    assert [r.team_id for r in router.usage.records()] == [None, "research"]


def test_settings_of_a_router_come_by_keyword(store_path: str) -> None:
    client = OpenAI(providers=[EchoProvider()], store=store_path, team="research")

    client.copy(max_retries=0).chat.completions.create(model="echo", messages=HELLO)

    (record,) = client.router.usage.records()
    assert (record.team_id, record.provider) == ("research", "echo")


def test_a_providers_rate_limits_are_in_the_headers(noted: Noted) -> None:
    client = OpenAI(api_key="sk-x")
    ask: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO}

    plain = client.chat.completions.with_raw_response.create(**ask)
    stream = client.chat.completions.create(**ask, stream=True)

    for headers in (plain.headers, stream.response.headers):
        assert headers["x-ratelimit-remaining-tokens"] == "42"
        assert headers["x-request-id"] == "req-openai"
    assert plain.parse()._request_id == "req-openai"
    stream.close()


def test_no_socket_is_opened(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    client = OpenAI(router=router)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", opened)
        patch.setattr(socket, "getaddrinfo", opened)
        assert client.chat.completions.create(**AUTO).choices
        assert list(client.chat.completions.create(**AUTO, stream=True))
        assert client.responses.create(model="small", input="hello").output_text
        assert client.models.list().data


def test_synchronous_calls_work_inside_a_running_loop(router: Router) -> None:
    async def cell() -> Any:
        client = OpenAI(router=router)
        return client.chat.completions.create(**AUTO), list(
            client.chat.completions.create(**AUTO, stream=True)
        )

    answer, chunks = asyncio.run(cell())

    assert answer.choices
    assert chunks


# The SDK leaves generators of its own behind at the end mark, and trio says so.
@pytest.mark.filterwarnings("ignore:.*openai._streaming.*garbage collected")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_asynchronous_calls_work_on_both_loops(store_path: str, backend: str) -> None:
    async def calls() -> tuple[Any, int]:
        async with AsyncOpenAI(router=AsyncRouter(providers=[zoo()], store=store_path)) as client:
            ask: Any = {**AUTO, "model": "small"}
            answer = await client.chat.completions.create(**ask)
            pieces = 0
            async for _ in await client.chat.completions.create(**ask, stream=True):
                pieces += 1
            return answer, pieces

    answer, pieces = anyio.run(calls, backend=backend)

    assert answer.choices
    assert pieces > 1


def test_an_asynchronous_client_outlives_its_loops(store_path: str) -> None:
    client = AsyncOpenAI(providers=[zoo()], store=store_path)

    async def call() -> Any:
        return await client.chat.completions.create(**{**AUTO, "model": "small"})

    assert [bool(asyncio.run(call()).choices) for _ in range(2)] == [True, True]


def test_both_clients_share_one_router(router: Router) -> None:
    sync, later = OpenAI(router=router), AsyncOpenAI(router=router)

    async def call() -> None:
        await later.chat.completions.create(**AUTO)

    sync.chat.completions.create(**AUTO)
    asyncio.run(call())

    assert len(router.usage.records()) == 2


def test_closing_a_client_closes_only_a_router_of_its_own(router: Router, store_path: str) -> None:
    OpenAI(router=router).close()
    own = OpenAI(providers=[EchoProvider()], store=store_path)
    own.chat.completions.create(model="echo", messages=HELLO)

    own.close()

    assert not router.is_closed()
    assert own.router.is_closed()
    assert own.is_closed()


def test_a_budget_refuses_once_as_the_sdks_status_error(router: Router) -> None:
    router.budgets.set("all", usd="0.00000001", per="day")
    refusals: list[Any] = []
    router.on("refusal", refusals.append)

    with pytest.raises(openai.APIStatusError) as caught:
        OpenAI(router=router, max_retries=5).chat.completions.create(**AUTO)

    error = caught.value
    told: Any = error.body
    assert (error.status_code, error.code) == (402, "budget_exceeded")
    assert (told["budget"]["scope"], told["budget"]["limit"]) == ("all", "1E-8")
    assert error.response.headers["x-should-retry"] == "false"
    assert len(refusals) == 1


def test_retries_are_the_routers_alone(noted: Noted) -> None:
    noted.answers = {"/chat": (500, {"retry-after-ms": "1"}, b'{"error":{"message":"oh"}}')}
    client = OpenAI(api_key="sk-x", max_retries=2)

    with pytest.raises(openai.InternalServerError, match="oh") as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)

    assert len(noted.requests["openai"]) == 3
    told = caught.value.response.headers
    assert (told["x-trunkline-attempts"], told["x-trunkline-provider"]) == ("3", "openai")
    assert caught.value.request_id == told["x-trunkline-routing-id"]


def test_models_are_listed_with_auto_and_aliases_first(store_path: str) -> None:
    client = OpenAI(providers=[zoo()], aliases={"quick": ["small"]}, store=store_path)

    assert [m.id for m in client.models.list()] == ["auto", "quick", "sim/big", "sim/small"]
    assert client.models.retrieve("sim/small").owned_by == "sim"
    assert client.models.retrieve("quick").owned_by == "trunkline"
    with pytest.raises(openai.NotFoundError, match="nobody-has-this"):
        client.models.retrieve("nobody-has-this")


@pytest.mark.parametrize(
    ("budget", "model", "code"), [("5", "x-1", "no_price"), ("0", "small", "budget_exceeded")]
)
def test_the_code_of_a_refusal_says_what_would_help(
    store_path: str, budget: str, model: str, code: str
) -> None:
    client = OpenAI(providers=[OpenAIProvider(api_key="k"), zoo()], store=store_path)
    client.router.budgets.set("all", usd=budget)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model="openai/x-1" if model == "x-1" else model, messages=HELLO
        )

    assert caught.value.code == code


def test_money_that_is_only_held_has_a_code_of_its_own(store_path: str) -> None:
    client = OpenAI(providers=[zoo()], store=store_path)
    client.router.budgets.set("all", usd="0.00002", per="day")
    ask: Any = {"model": "small", "messages": HELLO, "max_tokens": 15}
    under_way = client.chat.completions.create(**ask, stream=True)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**ask)

    assert caught.value.code == "budget_held"
    under_way.close()


def test_named_providers_are_all_there_is_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    client = OpenAI(providers=[zoo()], store=":memory:")

    assert list(client.router._engine.providers) == ["sim"]
    assert client.chat.completions.create(model="sim/small", messages=HELLO).choices
    assert client.chat.completions.create(model="auto", messages=HELLO).choices


def test_a_misspelt_argument_is_named_with_its_neighbour() -> None:
    with pytest.raises(TypeError, match=r"no(?:r|t).*'teams'; did you mean 'team'"):
        OpenAI(api_key="k", teams="x")


def test_what_a_router_does_not_have_is_said_to_be_in_the_clients() -> None:
    router = Router(providers=[EchoProvider()])

    with pytest.raises(AttributeError, match=r"trunkline\.openai\.OpenAI\(router=router\)"):
        _ = getattr(router, "responses")  # noqa: B009  # a type checker knows that it is not there
    assert not hasattr(router, "chatt")
