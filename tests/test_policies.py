from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.catalog.models import Model
from trunkline.errors import ConfigurationError
from trunkline.policies import (
    PAUSE_AFTER,
    ArmInfo,
    Baseline,
    Cheapest,
    Context,
    Fastest,
    Learned,
    Policy,
)
from trunkline.routing.constants import objective_key
from trunkline.routing.distribution import draw
from trunkline.routing.features import FEATURE_VERSION, decode, encode
from trunkline.routing.rewards import feedback_body
from trunkline.routing.state import LearnedState
from trunkline.storage.records import EventRow
from trunkline.types.routing import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = encode({"messages": [{"role": "user", "content": "Who wrote this?"}]})
CODE = encode({"messages": [{"role": "user", "content": "Write a python function { return [] }"}]})


def arm(name: str, price: str | None = "1", prior: float | None = None) -> ArmInfo:
    prices = price and Model("m", input_usd_per_m=price, output_usd_per_m=price).prices
    return ArmInfo(name, prices or None, None, prior)


def context(x: bytes = QUESTION, **changes: Any) -> Context:
    given: dict[str, Any] = {
        "x": decode(x),
        "objective": Objective(),
        "cost_ref_nanousd": 1_000_000,
        "latency_ref_s": 10.0,
        "input_tokens": 100.0,
    }
    return Context(**(given | changes))


class Log:
    """A state and the rows it is fed."""

    def __init__(self) -> None:
        self.state = LearnedState()

    def fold(self, kind: Any, body: dict[str, Any], x: bytes = QUESTION) -> None:
        self.state.fold(EventRow(self.state.cursor + 1, "c", kind, 0.0, x, body))

    def score(self, name: str, score: float, n: int = 1, x: bytes = QUESTION) -> Log:
        key = objective_key(Objective())
        body = feedback_body([], score, arm=name, objective_key=key, source="human")
        for _ in range(n):
            self.fold("feedback", body, x)
        return self

    def outcome(self, name: str, *, tokens: int = 300, seconds: float = 1.0, n: int = 40) -> Log:
        body = {
            "fv": FEATURE_VERSION,
            "arm": name,
            "state": "settled",
            "ok": True,
            "completion_tokens": tokens,
            "duration_s": seconds,
        }
        for _ in range(n):
            self.fold("outcome", body)
        return self


def test_without_a_signal_the_baseline_is_chosen_though_another_is_cheaper() -> None:
    cheap, dear = arm("p/cheap", "1"), arm("p/dear", "50")

    proposal = Learned().propose(context(baseline=1), [cheap, dear], LearnedState())

    assert (proposal.best, proposal.reason, proposal.eps) == (1, "prior", 0.0)
    assert proposal.probabilities == (0.0, 1.0)
    assert proposal.ranking == (1, 0)


def test_without_a_signal_an_arm_of_no_lower_prior_and_higher_utility_is_chosen() -> None:
    candidates = [arm("p/dear", "50", prior=0.7), arm("p/cheap", "1", prior=0.7)]

    proposal = Learned().propose(context(baseline=0), candidates, LearnedState())

    assert (proposal.best, proposal.reason) == (1, "prior")


def test_without_a_signal_and_baseline_the_best_prior_utility_is_chosen() -> None:
    candidates = [arm("p/dear", "50"), arm("p/cheap", "1")]

    assert Learned().propose(context(baseline=-1), candidates, LearnedState()).best == 1


def test_exploration_starts_with_the_first_signal_and_decays() -> None:
    candidates = [arm("p/a"), arm("p/b"), arm("p/c")]
    log = Log()

    eps = []
    for _ in range(60):
        eps.append(Learned().propose(context(), candidates, log.state).eps)
        log.score("p/a", 0.8)

    assert eps[:2] == [0.0, 0.3]
    assert eps[-1] == pytest.approx(2 * 3 / (59 + 3))
    assert Learned().propose(context(), candidates, log.state).reason == "learned"


def test_exploration_is_counted_per_objective() -> None:
    log = Log().score("p/a", 0.8, n=100)
    other = context(objective=Objective(cost=0.0))

    assert Learned().propose(other, [arm("p/a"), arm("p/b")], log.state).eps == 0.3


def test_a_critical_call_takes_the_best_for_certain() -> None:
    log = Log().score("p/a", 0.8)

    proposal = Learned().propose(context(explore=False), [arm("p/a"), arm("p/b")], log.state)

    assert (proposal.eps, max(proposal.probabilities)) == (0.0, 1.0)
    assert proposal.explore_set == (proposal.best,)


def test_exploration_pauses_when_no_signal_comes_back_and_resumes_with_one() -> None:
    candidates = [arm("p/a"), arm("p/b")]
    log = Log().score("p/a", 0.8)

    for _ in range(PAUSE_AFTER):
        log.fold("decision", {"arms": ["p/a", "p/b"]})
    assert Learned().propose(context(), candidates, log.state).eps > 0

    log.fold("decision", {"arms": ["p/a", "p/b"]})
    assert Learned().propose(context(), candidates, log.state).eps == 0.0

    log.score("p/a", 0.8)
    assert Learned().propose(context(), candidates, log.state).eps > 0


def test_an_arm_whose_price_eats_more_than_perfection_gains_is_not_explored() -> None:
    candidates = [arm("p/cheap", "1"), arm("p/fair", "2"), arm("p/absurd", "5000")]
    log = Log().score("p/cheap", 0.5)

    proposal = Learned().propose(context(), candidates, log.state)

    assert set(proposal.explore_set) == {0, 1}
    assert proposal.probabilities[2] == 0


def test_decaying_exploration_leaves_out_what_is_known_to_be_worse() -> None:
    candidates = [arm("p/bad"), arm("p/good"), arm("p/new")]
    log = Log().score("p/good", 0.95, n=40).score("p/bad", 0.05, n=40)

    proposal = Learned().propose(context(), candidates, log.state)

    assert set(proposal.explore_set) == {1, 2}


def test_the_floor_keeps_every_arm_within_the_price_gate_alive() -> None:
    candidates = [arm("p/bad"), arm("p/good")]
    log = Log().score("p/good", 0.95, n=400).score("p/bad", 0.05, n=100)

    proposal = Learned(explore_floor=0.02).propose(context(), candidates, log.state)

    assert proposal.eps == 0.02
    assert proposal.probabilities == pytest.approx((0.01, 0.99))


def test_a_floor_of_zero_lets_exploration_die_out() -> None:
    log = Log().score("p/good", 0.95, n=400)

    eps = Learned(explore_floor=0).propose(context(), [arm("p/a"), arm("p/good")], log.state).eps

    assert eps < 0.01


@given(
    st.integers(1, 8),
    st.integers(0, 30),
    st.booleans(),
    st.floats(0, 1),
    st.sampled_from([None, 0.3, 0.9]),
)
def test_propensities_sum_to_one_and_lie_on_eligible_arms(
    n: int, signals: int, explore: bool, weight: float, least: float | None
) -> None:
    candidates = [arm(f"p/{i}", str(i + 1)) for i in range(n)]
    log = Log().score("p/0", 0.7, n=signals)
    wants = context(objective=Objective(cost=weight, min_quality=least), explore=explore)

    proposal = Learned().propose(wants, candidates, log.state)

    assert set(proposal.ranking) == {i for i, why in enumerate(proposal.reasons) if why is None}
    assert sum(proposal.probabilities) == pytest.approx(1 if proposal.ranking else 0, abs=1e-12)
    assert {i for i, p in enumerate(proposal.probabilities) if p > 0} <= set(proposal.ranking)


def test_ties_are_broken_by_name_whatever_the_order() -> None:
    names = ["p/c", "p/a", "p/b"]

    proposal = Cheapest().propose(context(), [arm(n) for n in names], LearnedState())

    assert [names[i] for i in proposal.ranking] == ["p/a", "p/b", "p/c"]


def test_without_a_signal_no_arm_wins_a_tie_against_the_baseline() -> None:
    names = ["p/c", "p/a", "p/b"]

    proposal = Learned().propose(context(), [arm(n) for n in names], LearnedState())

    assert [names[i] for i in proposal.ranking] == ["p/c", "p/a", "p/b"]


def test_hard_limits_rule_out_with_the_figure_and_the_limit() -> None:
    log = Log().outcome("p/slow", seconds=60.0).score("p/bad", 0.1, n=50)
    log.outcome("p/quick", seconds=0.5)
    objective = Objective(min_quality=0.3, max_cost_usd="0.01", max_latency_s=20)
    candidates = [
        arm("p/bad"),
        arm("p/dear", "900", prior=0.9),
        arm("p/unpriced", None, prior=0.9),
        arm("p/slow", prior=0.9),
        arm("p/quick", prior=0.9),
    ]

    reasons = Learned().propose(context(objective=objective), candidates, log.state).reasons

    assert "is below min_quality=0.3" in str(reasons[0])
    assert "is above max_cost_usd=0.01" in str(reasons[1])
    assert reasons[2] == "price unknown, and max_cost_usd is set"
    assert "is above max_latency_s=20" in str(reasons[3])
    assert reasons[4] is None


@pytest.mark.parametrize("policy", [Learned(), Cheapest(), Fastest(), Baseline()])
@pytest.mark.parametrize("scored", [0, 3])
def test_where_all_are_ruled_out_nothing_is_ranked(policy: Policy, scored: int) -> None:
    log = Log().score("p/a", 0.5, n=scored)
    wants = context(objective=Objective(min_quality=1.0))

    proposal = policy.propose(wants, [arm("p/a"), arm("p/b")], log.state)

    assert (proposal.ranking, proposal.best, proposal.probabilities) == ((), -1, (0.0, 0.0))
    assert all(proposal.reasons)


def test_cheapest_takes_the_least_expected_cost_of_those_good_enough() -> None:
    candidates = [arm("p/a", "1", 0.2), arm("p/b", "2", 0.7), arm("p/c", "3", 0.7)]

    assert Cheapest().propose(context(), candidates, LearnedState()).best == 0
    enough = Cheapest(min_quality=0.5).propose(context(), candidates, LearnedState())
    assert enough.ranking == (1, 2)
    assert "min_quality=0.5" in str(enough.reasons[0])


def test_an_unknown_price_is_never_the_cheapest() -> None:
    candidates = [arm("p/unknown", None), arm("p/a", "5"), arm("p/b", "1")]

    assert Cheapest().propose(context(), candidates, LearnedState()).ranking == (2, 1, 0)


def test_fastest_takes_the_least_expected_latency() -> None:
    log = Log().outcome("p/a", seconds=9.0).outcome("p/b", seconds=0.5)

    assert Fastest().propose(context(), [arm("p/a"), arm("p/b")], log.state).best == 1


def test_baseline_takes_the_baseline_and_without_one_the_best_utility() -> None:
    candidates = [arm("p/a", "50"), arm("p/b", "1")]

    assert Baseline().propose(context(baseline=0), candidates, LearnedState()).ranking == (0, 1)
    assert Baseline().propose(context(baseline=-1), candidates, LearnedState()).ranking == (1, 0)


def test_the_parts_of_the_utility_add_up_to_it() -> None:
    log = Log().score("p/a", 0.9, n=20).outcome("p/a", seconds=2.0)
    wants = context(objective=Objective(cost=0.5, latency=0.3))
    candidates = [arm("p/a"), arm("p/b")]
    policy = Learned()
    proposal = policy.propose(wants, candidates, log.state)

    terms = policy.terms(proposal, 0, wants, candidates, log.state)

    assert sum(terms["utility"].values()) == pytest.approx(proposal.utilities[0])
    assert len(terms["features"]) == 3


def test_what_speaks_for_an_arm_is_what_it_was_better_at() -> None:
    log = Log()
    for _ in range(40):
        log.score("p/coder", 1.0, x=CODE).score("p/talker", 0.2, x=CODE)
        log.score("p/coder", 0.2).score("p/talker", 1.0)
    candidates = [arm("p/coder"), arm("p/talker")]
    policy, wants = Learned(), context(CODE)
    proposal = policy.propose(wants, candidates, log.state)

    terms = policy.terms(proposal, proposal.best, wants, candidates, log.state, top=30)

    assert candidates[proposal.best].arm == "p/coder"
    assert terms["features"]["code"] > 0
    assert sum(terms["features"].values()) > 0


def test_a_lone_candidate_has_no_rival_to_be_compared_with() -> None:
    policy, wants, only = Learned(), context(), [arm("p/a", None)]
    proposal = policy.propose(wants, only, LearnedState())

    terms = policy.terms(proposal, 0, wants, only, LearnedState())

    assert terms["features"] == {}
    assert terms["utility"]["cost"] == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: Learned(explore_floor=-0.1),
        lambda: Learned(explore_floor=float("nan")),
        lambda: Learned(explore_floor=True),
        lambda: Learned(eps_max=1.5),
        lambda: Learned(c=-1),
        lambda: Learned(explore_floor=0.5, eps_max=0.3),
        lambda: Cheapest(min_quality=2),
    ],
)
def test_bad_arguments_are_refused_by_name(build: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"explore_floor|eps_max|c=|min_quality"):
        build()


def test_policies_print_on_one_line() -> None:
    policies: Sequence[Policy] = (Learned(), Cheapest(0.8), Fastest(), Baseline())

    assert [repr(p) for p in policies] == [
        "Learned(explore_floor=0.01, eps_max=0.3, c=2.0)",
        "Cheapest(min_quality=0.8)",
        "Fastest()",
        "Baseline()",
    ]
    assert [p.name for p in policies] == ["learned", "cheapest", "fastest", "baseline"]


def earned(seed: int) -> tuple[float, float]:
    """Route 400 requests of two kinds; return mean scores of the policy and the best fixed arm."""
    rng = np.random.default_rng(seed)
    candidates = [arm("p/coder"), arm("p/talker"), arm("p/dull")]
    truth = {CODE: (0.9, 0.3, 0.5), QUESTION: (0.3, 0.9, 0.5)}
    log, policy, got, fixed = Log(), Learned(), [], []
    for _ in range(400):
        x = CODE if rng.random() < 0.5 else QUESTION
        proposal = policy.propose(context(x), candidates, log.state)
        i, _ = draw(proposal.probabilities, proposal.ranking, (True,) * 3, float(rng.random()))
        log.score(candidates[i].arm, float(rng.random() < truth[x][i]), x=x)
        got.append(truth[x][i])
        fixed.append(truth[x])
    return float(np.mean(got)), float(np.mean(fixed, axis=0).max())


def test_seeded_runs_learn_to_beat_every_fixed_arm_while_learning() -> None:
    got, best_fixed = np.mean([earned(seed) for seed in range(5)], axis=0)

    assert got > best_fixed + 0.15


def test_the_same_log_gives_the_same_proposal_to_the_bit() -> None:
    candidates = [arm("p/a"), arm("p/b")]

    def propose() -> Any:
        log = Log().score("p/a", 0.4, n=7).outcome("p/b", tokens=77).score("p/b", 0.6, n=3)
        return Learned().propose(context(), candidates, log.state)

    first, second = propose(), propose()
    assert first.probabilities == second.probabilities
    assert first.predictions.quality.tobytes() == second.predictions.quality.tobytes()
    assert first.predictions.cost_nanousd.tobytes() == second.predictions.cost_nanousd.tobytes()
