from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion as TheirCompletion
from tests.support.faces import (
    HELLO,
    Scripted,
    ask,
    completion,
    scripted_router,
    sound,
    spent,
    zoo,
    zoo_router,
)

from trunkline import (
    BadRequestError,
    ConfigurationError,
    Model,
    NotFoundError,
    Objective,
    RouteOptions,
    Router,
)
from trunkline.providers import EchoProvider

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"content": "full"}, "content='full' is not available yet"),
        ({"cache": True}, "cache= is not available yet"),
        ({"store": "postgresql://host/db"}, "postgresql"),
        ({"store": ""}, "store"),
        ({"store": 5}, "store"),
        ({"max_output_tokens": 0}, "max_output_tokens=0"),
        ({"max_output_tokens": True}, "max_output_tokens=True"),
        ({"max_retries": -1}, "max_retries=-1"),
        ({"max_retries": 1.5}, r"max_retries=1\.5"),
        ({"seed": "a"}, "seed='a'"),
        ({"seed": -1}, "seed=-1"),
        ({"policy": "best"}, "policy='best'"),
        ({"policy": object()}, "policy"),
        ({"team": "a:b"}, "team='a:b'"),
        ({"user": ""}, "user"),
        ({"tags": {"a": 1}}, "tags"),
        ({"durability": "some"}, "durability='some'"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": 0}, "timeout"),
        ({"deadline_s": -1}, "deadline_s=-1"),
        ({"drop_params": "yes"}, "drop_params='yes'"),
        ({"baseline": 5}, "baseline"),
        ({"objective": 1.0}, "objective"),
        ({"unpriced": "maybe"}, "unpriced='maybe'"),
        ({"unpriced": Model("x")}, r"unpriced=Model\(\.\.\.\) needs prices"),
        ({"fallbacks": "gpt-5-mini"}, "fallbacks"),
        ({"models": "gpt-5-mini"}, "models"),
        ({"models": []}, "models"),
        ({"models": 5}, "models"),
        ({"models": [5]}, "models"),
        ({"aliases": ["a"]}, "aliases"),
        ({"aliases": {"auto": ["a"]}}, "aliases: 'auto'"),
        ({"aliases": {"a/b": ["a"]}}, "aliases: 'a/b'"),
        ({"aliases": {"a": "b"}}, r"aliases\['a'\]"),
        ({"providers": [EchoProvider]}, "providers"),
        ({"providers": ["openai"]}, "providers"),
        ({"providers": [EchoProvider(), EchoProvider()]}, "'echo'"),
        ({"base_url": "http://elsewhere.example"}, "base_url"),
        ({"api_key": 5}, "api_key"),
        ({"default_headers": {"a b": "c"}}, "header"),
    ],
)
def test_a_bad_argument_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Router(**{"store": tmp_path / "s.sqlite3", **options})

    assert list(tmp_path.iterdir()) == []


def test_an_unknown_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="objektive"):
        Router(objektive=Objective())  # type: ignore[call-arg]


def test_without_any_provider_the_first_call_names_the_variables(tmp_path: Path) -> None:
    router = Router(store=tmp_path / "s.sqlite3")

    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY.*EchoProvider"):
        ask(router)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        ask(router, "gpt-5-mini")

    assert list(tmp_path.iterdir()) == []


def test_keys_in_the_environment_bring_their_providers(
    monkeypatch: pytest.MonkeyPatch, store_path: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    router = Router(store=store_path)

    plan = router.plan(messages=HELLO)

    assert {c.provider for c in plan.candidates} == {"openai"}
    assert len(plan.candidates) == 2
    assert plan.id is None


def test_a_local_model_brings_ollama_with_it(store_path: str) -> None:
    router = Router(store=store_path, max_retries=0)

    assert router.models.resolve("ollama/llama3.2:3b").id == "ollama/llama3.2:3b"
    assert Router(providers=[EchoProvider()])._engine.providers.keys() == {"echo"}


def test_construction_opens_nothing(tmp_path: Path) -> None:
    zoo_router(tmp_path / "new" / "s.sqlite3").budget(usd="1")

    assert list(tmp_path.iterdir()) == []


def test_a_router_is_closed_and_used_again(store_path: str) -> None:
    with zoo_router(store_path) as router:
        ask(router)
    router.close()

    ask(router)

    assert router.usage.summary(by=[])[0]["calls"] == 2


def test_the_default_store_is_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRUNKLINE_STORE", str(tmp_path / "mine.sqlite3"))
    router = zoo_router(None)

    ask(router)

    assert (tmp_path / "mine.sqlite3").exists()
    assert "mine.sqlite3" in repr(router)


def test_the_store_may_live_in_memory() -> None:
    router = zoo_router(":memory:")
    router.budgets.set("all", "1")

    ask(router)

    assert spent(router) > 0


def test_an_explicit_model_is_never_swapped(store_path: str) -> None:
    router = zoo_router(store_path, objective=Objective(cost=100.0))

    for _ in range(3):
        assert ask(router, "big").routing.model == "big"
        assert ask(router, "sim/big").routing.propensity == 1.0


def test_auto_takes_the_better_prior_or_the_baseline(store_path: str) -> None:
    router = zoo_router(store_path, baseline="big", objective=Objective(cost=0.0))

    decided = ask(router).routing

    assert (decided.model, decided.reason, decided.predicted.quality_is_prior) == (
        "big",
        "prior",
        True,
    )


def test_an_alias_has_its_own_arms(store_path: str) -> None:
    router = zoo_router(store_path, aliases={"fast": ["small"], "two": ["big", "small"]})

    assert ask(router, "fast").routing.model == "small"
    assert [c.model for c in router.plan(model="two", messages=HELLO).candidates] == [
        "big",
        "small",
    ]


def test_a_views_arms_are_those_of_auto_and_leave_aliases_alone(store_path: str) -> None:
    router = zoo_router(store_path, aliases={"fast": ["small"]}).with_options(models=["big"])

    assert ask(router).routing.model == "big"
    assert ask(router, "fast").routing.model == "small"


def test_arms_may_be_named_per_call(store_path: str) -> None:
    router = zoo_router(store_path)

    assert ask(router, route=RouteOptions(models=["big"])).routing.model == "big"
    body = {"trunkline": {"models": ["big"]}}
    assert ask(router, extra_body=body).routing.model == "big"
    with pytest.raises(ConfigurationError, match=r"route\.models"):
        ask(router, "small", route=RouteOptions(models=["big"]))


def test_a_name_nobody_knows_is_refused_with_near_names(store_path: str) -> None:
    router = zoo_router(store_path, providers=[zoo(), EchoProvider()])

    with pytest.raises(NotFoundError, match="small") as caught:
        ask(router, "smal")

    assert caught.value.status_code == 404
    assert router.usage.summary(by=[]) == [] or len(router.usage.summary(by=[])) == 0


def test_bad_arms_and_baselines_are_refused_before_anything_is_held(store_path: str) -> None:
    providers = [zoo(), EchoProvider()]
    for options in ({"models": ["nobody"]}, {"baseline": "nobody"}):
        router = zoo_router(store_path, providers=providers, **options)
        with pytest.raises(NotFoundError, match="nobody"):
            ask(router)
        with pytest.raises(ConfigurationError, match="no arms"):
            ask(router, route=RouteOptions(models=[]))
        assert len(router.usage.records()) == 0


def test_an_answer_validates_as_the_sdks_and_hides_routing(store_path: str) -> None:
    answered = ask(zoo_router(store_path))

    theirs = TheirCompletion.model_validate(answered.model_dump())

    assert theirs.choices[0].message.content == answered.choices[0].message.content
    assert "routing" not in answered.model_dump_json()
    assert theirs.usage is not None


def test_routing_survives_pickle_and_copy(store_path: str) -> None:
    answered = ask(zoo_router(store_path))

    for twin in (
        pickle.loads(pickle.dumps(answered)),  # noqa: S301  # our own bytes
        copy.copy(answered),
        copy.deepcopy(answered),
        answered.model_copy(),
    ):
        assert twin.routing == answered.routing


def test_routing_tells_what_was_asked_and_what_happened(store_path: str) -> None:
    router = zoo_router(store_path, team="research", user="bo")

    told = ask(router, "small").routing

    assert (told.provider, told.model, told.team, told.user) == ("sim", "small", "research", "bo")
    assert told.actual.completion_tokens == 100
    assert told.actual.latency_s == pytest.approx(1.0, abs=0.3)
    assert told.predicted.cost_usd is not None
    assert told.hold >= (told.actual.cost_usd or 0) > 0
    assert not told.estimated
    assert [(a.state, a.status_code, a.error) for a in told.attempts] == [("settled", 200, None)]


def test_an_answer_is_answered_back(store_path: str) -> None:
    router = zoo_router(store_path)
    first = ask(router)

    second = ask(router, messages=[*HELLO, first.choices[0].message, *HELLO])

    assert second.choices[0].message.content


def test_the_sdks_sentinels_mean_not_given(store_path: str) -> None:
    router, io = scripted_router(store_path, Scripted([completion()]))

    ask(router, "p/m", temperature=openai.NOT_GIVEN, stop=openai.omit, top_p=None)

    sent = httpx.Response(200, content=io.requests[0].body).json()
    assert sent == {"messages": HELLO, "model": "m", "top_p": None}


def test_messages_that_cannot_be_sent_are_refused_without_a_charge(store_path: str) -> None:
    router = zoo_router(store_path)
    router.budgets.set("all", "1")

    for content in (object(), "\ud800", b"\xff"):
        with pytest.raises((BadRequestError, ConfigurationError)):
            ask(router, messages=[{"role": "user", "content": content}])

    assert spent(router) == 0
    sound(router)


def test_explain_takes_what_feedback_takes(store_path: str) -> None:
    router = zoo_router(store_path)
    answer = ask(router)

    assert router.explain(answer) == router.explain(answer.routing.id)


@pytest.mark.parametrize("message", [{"role": "user", "text": "hi"}, {"role": "tool"}])
def test_a_message_without_content_is_refused_by_name(
    store_path: str, message: dict[str, str]
) -> None:
    router = zoo_router(store_path)

    with pytest.raises(ConfigurationError, match=r"messages\[0\] has no content"):
        router.chat.completions.create(model="auto", messages=[message])
