from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.faces import HELLO, ask, sound, zoo, zoo_router

from trunkline import BudgetExceededError, Model, Objective, RouteOptions, _store
from trunkline import _learning as learning
from trunkline.errors import StorageError
from trunkline.policies import Baseline, Learned, Predictions, Proposal
from trunkline.providers import EchoProvider
from trunkline.routing.state import LearnedState
from trunkline.storage import events, learned

if TYPE_CHECKING:
    from trunkline import Router


_COLUMNS = [f.name for f in fields(Predictions) if f.name not in ("quality_sd", "utility")]


@pytest.fixture
def router(store_path: str) -> Router:
    return zoo_router(store_path)


def state_of(router: Router) -> LearnedState:
    state = router._engine.learner.state
    assert state is not None
    return state


def catch_up(router: Router) -> LearnedState:
    """Fold what this process has not read yet, by a call that touches the log."""
    while True:
        gap = router._engine.database.write(router._engine.learner.gap)
        if not gap.rows:
            return state_of(router)
        router._engine.learner.fold(gap)


def rebuilt(router: Router) -> LearnedState:
    state = LearnedState()
    for row in router._engine.database.read(lambda c: events.read_after(c, 0, 10**6)):
        state.fold(row)
    return state


def append(router: Router, kind: Any, body: dict[str, Any], x: bytes | None = None) -> None:
    router._engine.database.write(lambda c: events.append(c, kind, "", 1.0, x, body))


def test_the_live_state_is_the_fold_of_the_log(router: Router) -> None:
    for number in range(8):
        answered = ask(router, messages=[{"role": "user", "content": f"question {number}"}])
        router.feedback(answered, score=number / 8)

    assert state_of(router).to_bytes() == rebuilt(router).to_bytes()
    assert state_of(router).total_signals == 8


def test_two_routers_and_late_feedback_come_to_the_same_bits(store_path: str) -> None:
    one, two = zoo_router(store_path, seed=1), zoo_router(store_path, seed=2)
    ids = [ask(router).routing.id for router in (one, two) * 5]
    for number, routing_id in enumerate(ids):
        (two if number % 2 == 0 else one).feedback(routing_id, score=number / 10)
    one.feedback(ids[3], score=0.99)
    two.rewards.add("late", lambda _: 0.5)
    ask(two)

    states = [catch_up(router).to_bytes() for router in (one, two)]

    assert states[0] == states[1] == rebuilt(one).to_bytes()


def test_another_process_learns_the_same(store_path: str) -> None:
    here = zoo_router(store_path)
    first = ask(here).routing.id
    script = f"""
from tests.support.faces import ask, zoo_router
router = zoo_router({store_path!r}, seed=3)
router.feedback({first!r}, score=0.25)
for n in range(5):
    router.feedback(ask(router), score=n / 5)
router.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    here.feedback(ask(here), score=0.75)

    assert catch_up(here).to_bytes() == rebuilt(here).to_bytes()
    assert state_of(here).total_signals == 7


def test_the_same_seed_decides_the_same(tmp_path: Any) -> None:
    def run(name: str) -> list[tuple[str, float]]:
        router = zoo_router(tmp_path / name, seed=11)
        told = []
        for number in range(20):
            answered = ask(router, messages=[{"role": "user", "content": f"q{number}"}])
            told.append((answered.routing.model, answered.routing.propensity))
            router.feedback(answered, score=0.9 if answered.routing.model == "big" else 0.2)
        return told

    first = run("a.sqlite3")

    assert first == run("b.sqlite3")
    assert {model for model, _ in first} == {"small", "big"}


def test_what_is_learned_is_used(store_path: str) -> None:
    router = zoo_router(
        store_path, policy=Learned(explore_floor=0.0), objective=Objective(cost=0.0)
    )
    for _ in range(30):
        answered = ask(router)
        router.feedback(answered, score=0.95 if answered.routing.model == "small" else 0.05)

    plan = router.plan(messages=HELLO, route=RouteOptions(explore=False))

    assert plan.chosen.model == "small"
    assert plan.reason == "learned"
    assert plan.propensity == 1.0
    assert not plan.chosen.predicted.quality_is_prior
    assert plan.terms["features"]


def test_the_reference_cost_is_frozen_by_an_event(router: Router) -> None:
    ask(router)
    before = state_of(router).cost_refs.copy()
    router.models.add(replace(router._engine.find("big", None)[0][0].model, prices=None))
    ask(router)

    assert state_of(router).cost_refs == before
    assert len(before) == 1


def test_an_own_reference_cost_needs_no_event(store_path: str) -> None:
    router = zoo_router(store_path, objective=Objective(cost_ref_usd=Decimal("0.01")))

    ask(router)

    assert state_of(router).cost_refs == {}


def test_priors_are_frozen_by_events(router: Router) -> None:
    ask(router)

    assert state_of(router).priors == pytest.approx({"sim/small": 0.54, "sim/big": 0.66})


def alone(**options: Any) -> dict[str, int]:
    """Return the reference costs that one routed call of a router sets."""
    router = zoo_router(":memory:", **options)
    ask(router)
    return state_of(router).cost_refs


@pytest.mark.parametrize(
    ("model", "models"), [("echo/echo", None), ("small", None), ("cheap", None), ("auto", "small")]
)
def test_no_single_call_sets_the_scale_of_the_router(
    store_path: str, model: str, models: str | None
) -> None:
    options: dict[str, Any] = {
        "providers": [zoo(), EchoProvider()],
        "aliases": {"cheap": ["small", "echo/echo"]},
    }
    router = zoo_router(store_path, **options)
    ask(router, model, route=RouteOptions(models=None if models is None else [models]))
    ask(router)

    assert state_of(router).cost_refs == alone(**options)
    assert state_of(router).priors["sim/big"] > state_of(router).priors["sim/small"]


def test_an_explicit_call_fixes_nothing(router: Router) -> None:
    ask(router, "small")

    rows = router._engine.database.read(lambda c: events.read_after(c, 0, 100))

    assert [row.kind for row in rows] == ["decision", "outcome"]
    assert state_of(router).cost_refs == state_of(router).priors == {}


def test_a_model_that_cannot_serve_the_first_call_still_sets_the_scale(store_path: str) -> None:
    def large(context: int) -> Any:
        big = Model("large", context=context, input_usd_per_m=5, output_usd_per_m=20)
        return {"providers": [zoo(), EchoProvider(models=[big])], "models": ["small", "large"]}

    router = zoo_router(store_path, **large(context=5))
    first = ask(router, max_tokens=100)

    assert router.explain(first.routing.id).candidates[1].ruled_out
    assert state_of(router).cost_refs == alone(**large(context=5000))


def test_the_first_call_goes_by_the_priors_that_it_logs(store_path: str) -> None:
    router = zoo_router(store_path)
    before = ask(router, route=RouteOptions(models=["small"])).routing.predicted.quality

    assert before == pytest.approx(state_of(router).priors["sim/small"], abs=1e-4)


def test_an_alias_is_served_where_the_arms_of_auto_mean_nothing(store_path: str) -> None:
    router = zoo_router(
        store_path,
        models=["nobody/knows"],
        providers=[zoo(), EchoProvider()],
        aliases={"fast": ["small", "big"]},
        baseline="small",
    )

    assert ask(router, "fast").routing.provider == "sim"
    assert set(state_of(router).priors) == {"sim/small", "sim/big"}


@pytest.mark.parametrize("every", [6, 10**6])
def test_a_far_behind_process_reads_the_rest_before_its_next_choice(
    store_path: str, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    behind, ahead = zoo_router(store_path), zoo_router(store_path)
    ask(behind)
    monkeypatch.setattr(learning, "SNAPSHOT_EVERY", every)
    for _ in range(5):
        ask(ahead)
    monkeypatch.setattr(learning, "SNAPSHOT_EVERY", 10**6)
    monkeypatch.setattr(learning, "ROWS_A_CALL", 4)
    before = state_of(behind).cursor

    ask(behind)
    assert state_of(behind).cursor == before + 4
    newest = ahead._engine.database.read(events.latest_id)
    behind.plan(messages=HELLO)

    assert state_of(behind).cursor == newest
    assert state_of(behind).to_bytes() == rebuilt(ahead).to_bytes()


def test_a_slow_reader_puts_no_older_state_over_a_newer_one(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, nested = _store.read, iter([True])

    async def overtaken(*args: Any) -> Any:
        found = await read(*args)
        if found == [] and next(nested, False):  # where another thread may get in
            for _ in range(3):
                router.feedback(ask(router), score=0.7)
        return found

    monkeypatch.setattr(_store, "read", overtaken)
    plan = router.plan(messages=HELLO)

    assert plan.reason == "learned"
    assert state_of(router).total_signals == 3
    assert state_of(router).to_bytes() == rebuilt(router).to_bytes()


def test_rows_that_do_not_continue_the_state_are_read_again(router: Router) -> None:
    learner = router._engine.learner
    for _ in range(3):
        router.feedback(ask(router), score=0.7)
    rows = router._engine.database.read(lambda c: events.read_after(c, 4, 100))
    older = LearnedState()
    learner._state = older

    learner.fold(learning.Gap(4, rows))

    assert older.cursor == 0
    ask(router)
    assert state_of(router).to_bytes() == rebuilt(router).to_bytes()


def test_short_lived_processes_save_snapshots_too(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "SNAPSHOT_EVERY", 10)
    saved = []
    for _ in range(5):
        router = zoo_router(store_path)
        for _ in range(2):
            ask(router)
        found = router._engine.database.read(lambda c: learned.load_snapshot(c, "learned"))
        saved.append(found and found.event_id)
        router._engine.database.close()

    assert saved == [None, 11, 11, 11, 21]
    assert found is not None
    assert LearnedState.from_bytes(found.state).cursor == found.event_id


def test_closing_saves_what_the_next_process_would_read_again(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "SNAPSHOT_ON_CLOSE", 5)
    router = zoo_router(store_path)
    ask(router), ask(router)
    router.close()
    later = zoo_router(store_path)
    later.plan(messages=HELLO)
    later.close()

    found = later._engine.database.read(lambda c: learned.load_snapshot(c, "learned"))

    assert found is not None
    assert found.event_id == state_of(router).cursor
    assert found.state == rebuilt(router).to_bytes()


def test_a_store_that_cannot_be_written_is_closed_all_the_same(
    router: Router, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(learning, "SNAPSHOT_ON_CLOSE", 1)
    ask(router)
    monkeypatch.setattr(learned, "save_snapshot", lambda *_: 1 / 0)

    router.close()

    assert "saving a snapshot" in caplog.text


def test_a_refused_call_writes_nothing_to_the_log(store_path: str) -> None:
    router = zoo_router(store_path)
    router.budgets.set("all", usd="0.000001", per="day", on_exceeded="refuse")
    before = router._engine.database.read(events.latest_id)
    for _ in range(3):
        with pytest.raises(BudgetExceededError):
            ask(router)
    assert router._engine.database.read(events.latest_id) == before

    router.budgets.set("all", usd="1", per="day")
    ask(router), ask(router)

    rows = router._engine.database.read(lambda c: events.read_after(c, before, 100))
    assert [row.kind for row in rows].count("constant") == 3  # a reference cost and two priors


@pytest.mark.parametrize("body", ["no JSON", "[1]", ""])
def test_a_damaged_row_is_passed_over(
    router: Router, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    first = ask(router)
    damage = "UPDATE event SET body = ? WHERE call_id = ? AND kind = 'decision'"
    router._engine.database.write(lambda c: c.execute(damage, (body, first.routing.id)))
    append(router, "feedback", {})
    router._engine.database.close()

    later = zoo_router(router._engine.store)
    for one in (router, later):
        one.feedback(ask(one), score=0.5)
    for one in (router, later):
        with pytest.raises(StorageError, match="damaged"):
            one.explain(first.routing.id)
        with pytest.raises(StorageError, match="damaged"):
            one.feedback(first, score=1)

    assert catch_up(later).total_signals == 2
    assert catch_up(later).to_bytes() == rebuilt(later).to_bytes()
    assert "damaged and was passed over" in caplog.text


def test_a_snapshot_is_saved_and_saves_reading(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "SNAPSHOT_EVERY", 5)
    router = zoo_router(store_path)
    for _ in range(6):
        ask(router)

    saved = router._engine.database.read(lambda c: learned.load_snapshot(c, "learned"))
    later = zoo_router(store_path)
    ask(later)

    assert saved is not None
    assert saved.event_id >= 5
    assert catch_up(later).to_bytes() == rebuilt(router).to_bytes()


def test_a_corrupt_snapshot_is_passed_over(
    store_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    router = zoo_router(store_path)
    ask(router)
    router._engine.database.write(
        lambda c: learned.save_snapshot(c, "learned", 10**6, 1, b"rubbish")
    )

    later = zoo_router(store_path)
    ask(later)

    assert "snapshot" in caplog.text
    assert catch_up(later).to_bytes() == rebuilt(router).to_bytes()


def test_a_snapshot_that_cannot_be_saved_fails_nothing(
    router: Router, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(learning, "SNAPSHOT_EVERY", 1)
    monkeypatch.setattr(learned, "save_snapshot", lambda *_: 1 / 0)

    assert ask(router).choices
    assert "saving a snapshot" in caplog.text


def test_a_row_that_cannot_be_folded_is_passed_over_by_everyone(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    answered = ask(router)
    row = router._engine.database.read(lambda c: events.decision_of(c, answered.routing.id))
    assert row is not None
    poison = {"rows": 5, "fv": row.body["fv"], "arm": "sim/small"}
    append(router, "feedback", poison, row.x)
    append(router, "constant", {"name": "cost_ref", "value": "no"})

    router.feedback(ask(router), score=1)
    later = zoo_router(router._engine.store)
    ask(later)

    assert catch_up(router).to_bytes() == catch_up(later).to_bytes()
    assert state_of(router).total_signals == 1


def test_learning_that_fails_fails_nothing(
    router: Router, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask(router)

    with monkeypatch.context() as patch:
        patch.setattr(LearnedState, "fold", lambda *_: 1 / 0)
        assert ask(router).choices
        router.feedback(ask(router), score=1)

    assert "learning from event" in caplog.text


class Broken:
    """A policy that answers whatever it is told to."""

    name = "broken"

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def propose(self, context: Any, candidates: Any, state: Any) -> Proposal:
        if not self.changes:
            raise RuntimeError("no idea")
        return replace(Baseline().propose(context, candidates, state), **self.changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"probabilities": (0.5,)},
        {"probabilities": (0.5, 0.6)},
        {"probabilities": (float("nan"), 1.0)},
        {"probabilities": (-1.0, 2.0)},
        {"probabilities": (0.0, 1.0), "ranking": (0,)},
        {"ranking": (0, 5)},
        {"reasons": (None,)},
        {"utilities": (1.0,)},
        {"predictions": None},
        {"probabilities": None},
    ],
)
def test_a_failing_policy_is_replaced_by_the_baseline(
    store_path: str, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    router = zoo_router(store_path, policy=Broken(**changes), baseline="big")

    told = ask(router).routing

    assert told.model == "big"
    assert told.reason == "baseline, because policy 'broken' failed"
    assert "policy 'broken'" in caplog.text
    assert router.explain(told.id).policy == "baseline"
    sound(router)


@pytest.mark.parametrize(
    "changes",
    [
        {"quality_is_prior": [True, True]},
        {"quality_is_prior": [1, 2, 3]},
        {"quality_is_prior": np.array([object(), object()])},
        {"quality": np.zeros((2, 1))},
        {"quality": "high"},
        {"utility": None},
        {name: np.zeros(3) for name in _COLUMNS},
        {name: np.zeros((2, 1)) for name in _COLUMNS},
    ],
)
def test_malformed_predictions_are_the_policys_failure(
    store_path: str, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    class Misled(Baseline):
        name = "misled"

        def propose(self, *args: Any) -> Proposal:
            told = super().propose(*args)
            return replace(told, predictions=replace(told.predictions, **changes))

    router = zoo_router(store_path, policy=Misled(), baseline="big")

    told = ask(router).routing

    assert (told.model, told.reason) == ("big", "baseline, because policy 'misled' failed")
    assert router.explain(told.id).policy == "baseline"
    sound(router)


def test_a_policy_may_answer_with_arrays(store_path: str) -> None:
    changes = {
        "probabilities": np.array([0.0, 1.0]),
        "ranking": np.array([1, 0]),
        "utilities": np.array([0.0, 1.0]),
        "best": np.int64(1),
        "eps": np.float32(0),
        "reasons": [None, None],
        "reason": np.str_("mine"),
    }
    router = zoo_router(store_path, policy=Broken(**changes))

    assert ask(router).routing.model == "big"


def test_an_explanation_that_fails_fails_nothing(
    store_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Mute(Learned):
        def terms(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("cannot say")

    router = zoo_router(store_path, policy=Mute())

    told = router.explain(ask(router).routing.id)

    assert told.terms == {}
    assert "explaining" in caplog.text


def test_an_interrupt_in_a_fold_makes_the_next_call_rebuild(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(router)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LearnedState, "fold", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(router)
    ask(router)

    assert catch_up(router).to_bytes() == rebuilt(router).to_bytes()
    sound(router)


def test_a_child_starts_anew_and_draws_its_own(store_path: str) -> None:
    router = zoo_router(store_path)
    unseeded = zoo_router(router._engine.store, seed=None)
    ask(router), ask(unseeded)
    learner = router._engine.learner

    learner.after_fork()
    unseeded._engine.learner.after_fork()

    assert learner.state is None
    assert learner.snapshot_due() is None
    ask(router)
    assert catch_up(router).to_bytes() == rebuilt(router).to_bytes()


def test_folding_before_anything_was_read_is_nothing(router: Router) -> None:
    learner = router._engine.learner

    learner.fold(learning.Gap(0, []))

    assert learner.state is None
    assert router._engine.database.read(learner.gap) == learning.Gap(0, ())


def test_named_models_have_no_exploration_and_their_outcomes_count(router: Router) -> None:
    router.feedback(ask(router), score=1)

    told = [ask(router, "small").routing for _ in range(5)]

    assert {t.propensity for t in told} == {1.0}
    assert not any(t.explored for t in told)


def test_an_explored_choice_says_so(store_path: str) -> None:
    router = zoo_router(store_path, policy=Learned(explore_floor=0.3), seed=5)
    router.feedback(ask(router), score=0.5)

    told = [ask(router).routing for _ in range(40)]

    explored = [t for t in told if t.explored]
    assert explored
    assert all(t.reason.startswith("explored") and t.propensity < 0.5 for t in explored)
    assert not any(ask(router, route=RouteOptions(explore=False)).routing.explored for _ in "12345")


def test_candidates_ruled_out_are_in_the_explanation(store_path: str) -> None:
    router = zoo_router(store_path, objective=Objective(max_cost_usd="0.0003"))

    answered = ask(router)
    told = router.explain(answered.routing.id)

    assert answered.routing.model == "small"
    big = next(c for c in told.candidates if c.model == "big")
    assert "max_cost_usd" in (big.ruled_out or "")
    assert told.objective.max_cost_usd == "0.0003"
    plan = router.plan(messages=HELLO)
    assert "max_cost_usd" in (plan.candidates[1].ruled_out or "")


def test_candidates_that_cannot_serve_are_in_the_explanation(store_path: str) -> None:
    provider = EchoProvider(
        models=[
            Model("tiny", context=5, input_usd_per_m=0, output_usd_per_m=0),
            Model("large", context=5000, input_usd_per_m=0, output_usd_per_m=0),
        ]
    )
    router = zoo_router(store_path, providers=[provider], models=["tiny", "large"])

    told = router.explain(ask(router, max_tokens=100).routing.id)

    assert [(c.id, c.ruled_out is None) for c in told.candidates] == [
        ("echo/large", True),
        ("echo/tiny", False),
    ]
    assert [c.id for c in router.plan(messages=HELLO, max_tokens=100).candidates] == [
        "echo/large",
        "echo/tiny",
    ]


def test_an_unpriced_model_is_predicted_without_a_cost(store_path: str) -> None:
    router = zoo_router(
        store_path, providers=[zoo(), EchoProvider(models=[Model("bare")])], models=["bare"]
    )

    told = ask(router).routing

    assert told.predicted.cost_usd is None
    assert router.explain(told.id).chosen.predicted.cost_usd is None


def test_rows_that_were_folded_meanwhile_are_passed_over(router: Router) -> None:
    ask(router)
    before = catch_up(router).to_bytes()
    rows = router._engine.database.read(lambda c: events.read_after(c, 0, 100))

    router._engine.learner.fold(learning.Gap(0, rows))

    assert state_of(router).to_bytes() == before
