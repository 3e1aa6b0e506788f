from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest

from trunkline.errors import ConfigurationError
from trunkline.types.routing import (
    Actual,
    Attempt,
    Candidate,
    Decision,
    Objective,
    Prediction,
    RouteOptions,
    Routing,
)

HOSTILE = "<img src=x onerror=alert(1)>\n\x1b[2J"
MEASURED = Prediction(
    cost_usd=Decimal("0.00012"),
    latency_s=1.25,
    quality=0.8,
    quality_low=0.7,
    quality_high=0.9,
    quality_is_prior=False,
)
CHOSEN = Candidate(
    provider="openai", model="gpt-5-mini", utility=0.61, propensity=0.97, predicted=MEASURED
)
OTHERS = (
    Candidate(provider="ollama", model="llama3.2:3b", predicted=Prediction(quality=0.4)),
    Candidate(provider="google", model="flash", ruled_out="no vision"),
)


def decision(**changes: Any) -> Decision:
    values: dict[str, Any] = {
        "id": "call-1",
        "requested": "auto",
        "chosen": CHOSEN,
        "candidates": (CHOSEN, *OTHERS),
        "reason": "highest utility",
        "explored": False,
        "propensity": 0.97,
        "policy": "learned",
        "objective": Objective(),
        "at": 1_700_000_000.0,
    }
    return Decision(**{**values, **changes})


def routing(**changes: Any) -> Routing:
    values: dict[str, Any] = {
        "id": "call-1",
        "provider": "openai",
        "model": "gpt-5-mini",
        "reason": "highest utility",
        "predicted": MEASURED,
        "actual": Actual(
            cost_usd=Decimal("0.00015"), latency_s=1.5, prompt_tokens=9, completion_tokens=30
        ),
        "attempts": (
            Attempt(
                provider="openai",
                model="gpt-5-mini",
                state="voided",
                duration_s=0.1,
                status_code=503,
                error="InternalServerError",
            ),
        ),
    }
    return Routing(**{**values, **changes})


@pytest.mark.parametrize(
    "field", ["quality", "cost", "latency", "latency_ref_s", "min_quality", "max_latency_s"]
)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "1", True])
def test_a_bad_weight_or_bound_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"Objective {field}="):
        Objective(**{field: value})


@pytest.mark.parametrize("field", ["cost_ref_usd", "max_cost_usd"])
@pytest.mark.parametrize("value", [0.5, "-1", "free"])
def test_money_of_an_objective_is_exact_or_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=field):
        Objective(**{field: value})


@pytest.mark.parametrize(
    "values", [{"cost_ref_usd": "0"}, {"max_cost_usd": 0}, {"latency_ref_s": 0}]
)
def test_what_is_divided_by_or_allows_nothing_must_be_above_zero(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="must be above 0"):
        Objective(**values)


def test_good_objectives_are_taken_and_none_means_unset() -> None:
    objective = Objective(quality=0, cost=2, cost_ref_usd="0.01", min_quality=0.5, latency_ref_s=3)

    assert (objective.quality, objective.cost_ref_usd) == (0, "0.01")
    assert Objective().max_cost_usd is None


def test_every_route_option_inherits_by_default() -> None:
    options = RouteOptions()

    assert all(getattr(options, name) is None for name in RouteOptions.__slots__)


def test_a_candidate_is_known_by_provider_and_model() -> None:
    assert CHOSEN.id == "openai/gpt-5-mini"


@pytest.mark.parametrize("record", [decision(), routing()], ids=["Decision", "Routing"])
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda record: pickle.loads(pickle.dumps(record))],  # noqa: S301
    ids=["copy", "deepcopy", "pickle"],
)
def test_records_survive_copies(record: object, again: Any) -> None:
    assert again(record) == record


def test_a_decision_says_what_and_why_on_one_line() -> None:
    assert repr(decision()) == str(decision())
    assert repr(decision()) == (
        "<Decision openai/gpt-5-mini (highest utility) for auto of 2 candidates p=0.97 id=call-1>"
    )


def test_a_plan_has_no_id_and_an_exploration_says_so() -> None:
    text = repr(decision(id=None, explored=True))

    assert "id=" not in text
    assert "explored" in text


def test_a_decision_card_tells_measured_from_prior_and_why_others_are_out() -> None:
    lines = decision().to_text().splitlines()
    rows = {line.split()[0]: line for line in lines if "/" in line.split(" ")[0]}

    assert lines[0] == "Decision: openai/gpt-5-mini"
    assert "openai/gpt-5-mini ←  0.80 (0.70-0.90)" in rows["openai/gpt-5-mini"]
    assert "0.00012" in rows["openai/gpt-5-mini"]
    assert "0.40 (prior)" in rows["ollama/llama3.2:3b"]
    assert rows["google/flash"].endswith("no vision")
    assert any("2023-11-14T22:13:20+00:00" in line for line in lines)


def test_the_notebook_card_shows_what_the_terminal_card_does() -> None:
    html = decision()._repr_html_()

    for fact in ("openai/gpt-5-mini ←", "0.80 (0.70-0.90)", "no vision", "quality=1, cost=0.2"):
        assert fact in html


def test_a_routing_says_what_answered_and_what_it_cost_on_one_line() -> None:
    assert repr(routing()) == str(routing())
    assert repr(routing()) == (
        "<Routing openai/gpt-5-mini (highest utility) $0.00015 1.5 s p=1 id=call-1>"
    )


def test_a_rules_figure_is_marked_as_estimated() -> None:
    assert "$0.00015 (estimated)" in repr(routing(estimated=True))
    assert "$0.00015 (estimated)" in routing(estimated=True)._repr_html_()


def test_a_routing_card_shows_predicted_beside_actual_and_every_attempt() -> None:
    html = routing()._repr_html_()

    for fact in ("$0.00015", "$0.00012", "1.5 s", "1.25 s", "9, 30", "InternalServerError", "503"):
        assert fact in html


@pytest.mark.parametrize(
    ("actual", "shown"),
    [
        (Actual(prompt_tokens=9), "9, ?"),
        (Actual(completion_tokens=3), "?, 3"),
        (Actual(prompt_tokens=0, completion_tokens=0), "0, 0"),
    ],
)
def test_unknown_counts_are_question_marks(actual: Actual, shown: str) -> None:
    assert f">{shown}<" in routing(actual=actual)._repr_html_()


def test_unknown_counts_are_left_out_together() -> None:
    assert "tokens in, out" not in routing(actual=Actual())._repr_html_()


@pytest.mark.parametrize(
    "record",
    [
        decision(requested=HOSTILE, reason=HOSTILE, policy=HOSTILE, id=HOSTILE),
        decision(candidates=(Candidate(provider="p", model=HOSTILE, ruled_out=HOSTILE),)),
        routing(model=HOSTILE, reason=HOSTILE, team=HOSTILE, user=HOSTILE, adjusted=(HOSTILE,)),
        routing(attempts=(Attempt(provider=HOSTILE, model="m", state=HOSTILE, duration_s=1.0),)),
    ],
)
def test_hostile_names_stay_text_on_one_line(record: Decision | Routing) -> None:
    html = record._repr_html_()

    assert "<img" not in html
    assert "&lt;img" in html
    assert repr(record).isprintable()
