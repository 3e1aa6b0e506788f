from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from openai.types.chat import ChatCompletion as TheirCompletion
from tests.support.faces import HELLO, ask, zoo, zoo_router

from trunkline import AsyncRouter, ChatCompletion, ConfigurationError, FeedbackError
from trunkline.storage import events

if TYPE_CHECKING:
    from trunkline import Router


@pytest.fixture
def router(store_path: str) -> Router:
    return zoo_router(store_path)


def rows(router: Router, routing_id: str) -> list[Any]:
    bodies = router._engine.database.read(lambda c: events.of_call(c, routing_id, "feedback"))
    return [row.body["rows"] for row in bodies]


def test_a_score_is_learned_from_at_once(router: Router) -> None:
    answer = ask(router)

    router.feedback(answer, score=0.9)

    state = router._engine.learner.state
    assert state is not None
    assert state.total_signals == 1
    assert rows(router, answer.routing.id) == [[[round(0.9 * 1024) / 1024, 1.0, 1]]]


def test_an_answer_is_found_in_whatever_the_caller_has_at_hand(router: Router) -> None:
    answer = ask(router)
    routing_id = answer.routing.id
    theirs = TheirCompletion.model_validate(
        {**answer.model_dump(), "trunkline": {"id": routing_id}}
    )
    subjects = [answer, routing_id, answer.routing, theirs, router.explain(routing_id)]

    for number, subject in enumerate(subjects):
        router.feedback(subject, score=0.5, source=f"source-{number}")

    assert len(rows(router, routing_id)) == len(subjects)


def test_a_stream_is_scored_too(router: Router) -> None:
    with ask(router, stream=True) as stream:
        for _ in stream:
            pass

    router.feedback(stream, score=1)

    assert len(rows(router, stream.routing.id)) == 1


def test_days_later_another_process_scores_by_id(router: Router, store_path: str) -> None:
    routing_id = ask(router).routing.id
    router.close()

    later = zoo_router(store_path)
    later.feedback(routing_id, score=0.2)

    assert len(rows(later, routing_id)) == 1


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf"), True, "1", None])
def test_what_is_no_score_is_refused_and_not_learned(router: Router, score: Any) -> None:
    answer = ask(router)

    with pytest.raises(FeedbackError, match="score"):
        router.feedback(answer, score=score)

    assert rows(router, answer.routing.id) == []


@pytest.mark.parametrize(
    "fields",
    [{"weight": 0}, {"weight": True}, {"source": ""}, {"source": 5}, {"source": 101 * "x"}],
)
def test_a_bad_weight_or_source_is_refused(router: Router, fields: dict[str, Any]) -> None:
    with pytest.raises(FeedbackError, match=next(iter(fields))):
        router.feedback(ask(router), score=1, **fields)


@pytest.mark.parametrize("subject", ["", "unknown-id", 5, None, object(), {"id": "x"}])
def test_what_names_no_call_is_refused(router: Router, subject: Any) -> None:
    with pytest.raises(FeedbackError):
        router.feedback(subject, score=1)


@pytest.mark.parametrize("extra", [{}, {"trunkline": "text"}, {"trunkline": {"id": 5}}])
def test_a_foreign_answer_carries_no_routing_id(router: Router, extra: dict[str, Any]) -> None:
    theirs = TheirCompletion.model_validate({**ask(router).model_dump(), **extra})

    with pytest.raises(FeedbackError, match="routing id"):
        router.feedback(theirs, score=1)


def test_the_same_source_again_replaces_and_a_judgement_ends_guesses(router: Router) -> None:
    router.rewards.add("guess", lambda _: 0.25, weight=0.5)
    answer = ask(router)
    router.feedback(answer, score=0.5)
    router.feedback(answer, score=0.75)
    router.feedback(answer, score=0.75)

    assert rows(router, answer.routing.id) == [
        [[0.25, 0.5, 1]],
        [[0.25, 0.5, -1], [0.5, 1.0, 1]],
        [[0.5, 1.0, -1], [0.75, 1.0, 1]],
    ]


def test_rewards_score_every_answer_streamed_or_not(router: Router) -> None:
    seen: list[Any] = []

    def says(completion: ChatCompletion) -> bool:
        seen.append(completion.choices[0].message.content)
        return False

    router.rewards.add("says", says)

    plain = ask(router)
    with ask(router, stream=True) as stream:
        list(stream)

    assert seen[0] == plain.choices[0].message.content
    assert seen[1] == "".join(stream.response.choices[0].message.content or "")
    assert rows(router, plain.routing.id) == [[[0.0, 0.296875, 1]]]
    assert len(rows(router, stream.routing.id)) == 1


def test_a_reward_without_opinion_or_with_a_bug_fails_nothing(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    router.rewards.add("none", lambda _: None)
    router.rewards.add("bug", lambda _: 1 / 0)
    router.rewards.add("far", lambda _: 7)

    with caplog.at_level(logging.WARNING, "trunkline"):
        answer = ask(router)

    assert answer.choices
    assert rows(router, answer.routing.id) == []
    assert "ZeroDivisionError" in caplog.text
    assert "'far'" in caplog.text


def test_a_reward_is_removed(router: Router) -> None:
    router.rewards.add("one", lambda _: 1.0)

    router.rewards.remove("one")

    assert rows(router, ask(router).routing.id) == []
    with pytest.raises(ConfigurationError, match="'one'"):
        router.rewards.remove("one")


@pytest.mark.parametrize(
    ("name", "fn", "weight"), [("", len, 0.3), ("a", 5, 0.3), ("a", len, 0), ("a", len, "x")]
)
def test_a_bad_reward_is_refused(router: Router, name: str, fn: Any, weight: Any) -> None:
    with pytest.raises(ValueError, match=r"rewards\.add|weight"):
        router.rewards.add(name, fn, weight=weight)


async def test_async_feedback_is_the_same(store_path: str) -> None:
    async with AsyncRouter(providers=[zoo()], store=store_path) as router:
        router.rewards.add("one", lambda _: True)
        answer = await router.chat.completions.create(model="small", messages=HELLO)
        await router.feedback(answer, score=0.5)

        state = router._engine.learner.state
        assert state is not None
        assert state.total_signals == 1
