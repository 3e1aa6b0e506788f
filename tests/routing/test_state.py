from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.routing.features import FEATURE_VERSION, decode, encode
from trunkline.routing.rewards import feedback_body
from trunkline.routing.state import LearnedState
from trunkline.storage.records import EventRow

Row = tuple[str, bytes | None, dict[str, Any]]
WORDS = ("who is it", "Write a function", "How many dollars?", "Options: (A) 1 (B) 2")


def x_of(i: int) -> bytes:
    return encode({"messages": [{"role": "user", "content": WORDS[i % 4] + " x" * i}]})


def outcome(arm: str, **changes: Any) -> dict[str, Any]:
    return {
        "fv": FEATURE_VERSION,
        "arm": arm,
        "state": "settled",
        "ok": True,
        "prompt_tokens": 120,
        "completion_tokens": 50,
        "in_est": 100.0,
        "duration_s": 1.5,
        "finish_reason": "stop",
        **changes,
    }


def feedback(arm: str, score: float, key: str = "k", earlier: Any = ()) -> dict[str, Any]:
    return feedback_body(earlier, score, arm=arm, objective_key=key, source="human")


def fold(rows: list[Row], state: LearnedState | None = None) -> LearnedState:
    state = state or LearnedState()
    for i, (kind, x, body) in enumerate(rows, state.cursor + 1):
        state.fold(EventRow(i, str(i), kind, 0.0, x, body))  # type: ignore[arg-type]
    return state


def history(n: int, seed: int = 0) -> list[Row]:
    """Make a log of decisions, outcomes and feedback of a few arms, with constants first."""
    rng = random.Random(seed)
    rows: list[Row] = [
        ("constant", None, {"name": "prior", "arm": "p/a", "value": 0.7}),
        ("constant", None, {"name": "cost_ref", "objective_key": "k", "value": 1000}),
        ("admin", None, {"what": "anything"}),
    ]
    for i in range(n):
        arm, x = rng.choice(["p/a", "p/b", "p/c"]), x_of(rng.randrange(40))
        tokens = rng.randrange(1, 900)
        rows.append(("decision", x, {"arms": ["p/a", "p/b"], "fv": FEATURE_VERSION}))
        rows.append(("outcome", x, outcome(arm, completion_tokens=tokens)))
        first = feedback(arm, rng.random())
        rows.append(("feedback", x, first))
        if i % 3 == 0:
            rows.append(("feedback", x, feedback(arm, rng.random(), earlier=[first])))
    return rows


def test_folding_the_same_rows_gives_equal_bytes() -> None:
    rows = history(60)

    assert fold(rows).to_bytes() == fold(rows).to_bytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 120), st.integers(0, 3))
def test_live_equals_rebuilt_from_a_snapshot_taken_anywhere(cut: int, seed: int) -> None:
    rows = history(40, seed)
    whole = fold(rows)

    resumed = fold(rows[cut:], LearnedState.from_bytes(fold(rows[:cut]).to_bytes()))

    assert resumed.to_bytes() == whole.to_bytes()
    x = decode(x_of(7))
    assert resumed.quality.means(x).tobytes() == whole.quality.means(x).tobytes()
    assert resumed.outcome.means(x).tobytes() == whole.outcome.means(x).tobytes()


def test_predicting_between_rows_changes_nothing_of_what_is_learned() -> None:
    rows = history(30)
    asked = LearnedState()

    for row in rows:
        fold([row], asked)
        asked.quality.means_and_variances(decode(x_of(3)))

    assert asked.to_bytes() == fold(rows).to_bytes()


def test_late_feedback_in_any_order_gives_the_same_sums() -> None:
    rows = [row for row in history(80) if row[0] == "feedback"]
    late = rows.copy()
    random.Random(3).shuffle(late)

    straight, shuffled = fold(rows), fold(late)

    for arm, row in straight.arms.items():
        other = shuffled.arms[arm]
        assert straight.quality.sums_xx[row].tobytes() == shuffled.quality.sums_xx[other].tobytes()
        assert straight.quality.sums_xy[row].tobytes() == shuffled.quality.sums_xy[other].tobytes()
    assert straight.signals == shuffled.signals


def test_a_replaced_score_leaves_no_trace_in_the_sums() -> None:
    first = feedback("p/a", 0.25)
    second = feedback("p/a", 1.0, earlier=[first])

    corrected = fold([("feedback", x_of(1), first), ("feedback", x_of(1), second)])

    straight = fold([("feedback", x_of(1), feedback("p/a", 1.0))])
    assert corrected.quality.sums_xy.tobytes() == straight.quality.sums_xy.tobytes()
    assert corrected.signals == straight.signals == {"k": 1}
    assert corrected.total_signals == 1


def test_signals_are_counted_per_objective() -> None:
    state = fold([("feedback", x_of(i), feedback("p/a", 0.5, key)) for i, key in enumerate("kkj")])

    assert state.signals == {"k": 2, "j": 1}


def test_routed_calls_since_the_last_signal_are_counted() -> None:
    routed: Row = ("decision", x_of(1), {"arms": ["p/a", "p/b"]})
    named: Row = ("decision", x_of(1), {"arms": ["p/a"]})

    state = fold([routed, routed, named])
    assert state.idle == 2

    fold([("feedback", x_of(1), feedback("p/a", 0.5))], state)
    assert state.idle == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"ok": False},
        {"state": "estimated"},
        {"completion_tokens": 0},
        {"duration_s": None},
        {"completion_tokens": True},
        {"duration_s": float("nan")},
        {"fv": FEATURE_VERSION + 1},
        {"arm": None},
    ],
)
def test_an_outcome_that_measured_nothing_teaches_nothing(changes: dict[str, Any]) -> None:
    state = fold([("outcome", x_of(1), outcome("p/a") | changes)])

    assert state.arms == {}
    assert state.cursor == 1


def test_an_answer_cut_at_the_cap_counts_less_and_moves_no_range() -> None:
    whole = fold([("outcome", x_of(1), outcome("p/a"))])
    cut = fold([("outcome", x_of(1), outcome("p/a", finish_reason="length"))])

    assert cut.outcome.sums_xx[0, 0, 0] == whole.outcome.sums_xx[0, 0, 0] / 4
    assert cut.outcome_ends.seen.tolist() == [0, 0]
    assert whole.outcome_ends.seen.tolist() == [1, 1]


def test_input_tokens_are_counted_only_where_both_sides_are_known() -> None:
    state = fold(
        [
            ("outcome", x_of(1), outcome("p/a", in_est=None)),
            ("outcome", x_of(1), outcome("p/a")),
            ("outcome", x_of(1), outcome("p/b")),
        ]
    )

    assert state.inputs.tolist() == [[120, 100], [120, 100], [240, 200]]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [7],
        [[0.5, 1.0]],
        [[0.5, 1.0, 1, 1]],
        [[0.5, "x", 1]],
        [[0.5, float("inf"), 1]],
        [[0.5, 1.0, 1], [0.5]],
    ],
)
def test_malformed_feedback_is_passed_over(rows: Any) -> None:
    body = {**feedback("p/a", 0.5), "rows": rows}

    state = fold([("feedback", x_of(1), body)])

    assert (state.arms, state.signals, state.cursor) == ({}, {}, 1)


def test_kinds_that_are_not_the_learners_are_passed_over() -> None:
    state = fold([("admin", x_of(1), outcome("p/a"))])

    assert (state.arms, state.cursor) == ({}, 1)


@pytest.mark.parametrize("x", [None, b"", b"\0" * 6])
def test_rows_without_readable_features_are_passed_over(x: bytes | None) -> None:
    state = fold([("feedback", x, feedback("p/a", 0.5)), ("outcome", x, outcome("p/a"))])

    assert (state.arms, state.cursor) == ({}, 2)


def test_constants_are_kept_and_bad_ones_passed_over() -> None:
    state = fold(
        [
            ("constant", None, {"name": "prior", "arm": "p/a", "value": 0.9}),
            ("constant", None, {"name": "prior", "arm": "p/b", "value": float("nan")}),
            ("constant", None, {"name": "cost_ref", "objective_key": "k", "value": 12}),
            ("constant", None, {"name": "cost_ref", "objective_key": "j", "value": "12"}),
            ("constant", None, {"name": "other", "value": 1}),
        ]
    )

    assert state.priors == {"p/a": 0.9}
    assert state.cost_refs == {"k": 12}


def test_a_prior_applies_to_an_arm_that_was_seen_before_it() -> None:
    prior: Row = ("constant", None, {"name": "prior", "arm": "p/a", "value": 0.9})
    said: Row = ("feedback", x_of(1), feedback("p/a", 0.5))
    x = decode(x_of(2))

    np.testing.assert_allclose(
        fold([said, prior]).quality.means(x), fold([prior, said]).quality.means(x), rtol=1e-12
    )


def test_hyper_parameters_are_events_too() -> None:
    rows = history(10)
    strict: Row = ("constant", None, {"name": "hyper", "reg": 500.0, "rho": 1.0})

    state = fold([*rows, strict])

    assert (state.quality.reg, state.quality.rho) == (500.0, 1.0)
    assert LearnedState.from_bytes(state.to_bytes()).quality.reg == 500.0


def test_the_noise_of_scores_is_learned() -> None:
    steady = fold([("feedback", x_of(i), feedback("p/a", 0.9)) for i in range(200)])

    assert LearnedState().noise_sd == pytest.approx(0.1**0.5)
    assert steady.noise_sd < 0.15


def test_a_row_out_of_order_is_refused_and_changes_nothing() -> None:
    state = fold(history(3))
    before = state.to_bytes()

    with pytest.raises(ValueError, match="not after the cursor"):
        state.fold(EventRow(state.cursor, "c", "admin", 0.0, None, {}))

    assert state.to_bytes() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:0], "no learned state"),
        (lambda b: b[:20], "no learned state"),
        (lambda b: b"XXXX" + b[4:], "another version"),
        (lambda b: b[:-8], "cut short"),
        (lambda b: b.replace(b'"feature_version":1', b'"feature_version":9'), "another version"),
    ],
)
def test_a_damaged_or_foreign_snapshot_is_refused(damage: Any, message: str) -> None:
    blob = fold(history(3)).to_bytes()

    with pytest.raises(ValueError, match=message):
        LearnedState.from_bytes(damage(blob))
