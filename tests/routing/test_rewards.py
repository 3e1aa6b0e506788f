from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import FeedbackError
from trunkline.routing.rewards import (
    check_score,
    check_weight,
    feedback_body,
    feedback_rows,
    quantised,
)

Signal = tuple[str, float, float, bool]


def bodies(*signals: Signal) -> list[dict[str, Any]]:
    """Record signals one after the other, as the log would hold them."""
    log: list[dict[str, Any]] = []
    for source, score, weight, explicit in signals:
        log.append(
            feedback_body(
                log,
                score,
                arm="p/m",
                objective_key="k",
                source=source,
                weight=weight,
                explicit=explicit,
            )
        )
    return log


def net(log: list[dict[str, Any]]) -> dict[tuple[float, float], int]:
    """Sum the signs per (score, weight): what is left in the learner's sums."""
    left: dict[tuple[float, float], int] = {}
    for body in log:
        for y, w, sign in body["rows"]:
            left[y, w] = left.get((y, w), 0) + sign
    return {row: count for row, count in left.items() if count}


@pytest.mark.parametrize("score", [nan, inf, -inf, -0.1, 1.1, "0.5", True, None, [1]])
def test_a_bad_score_is_refused_by_name(score: object) -> None:
    with pytest.raises(FeedbackError, match="score="):
        check_score(score)


@pytest.mark.parametrize("weight", [0, -1, nan, inf, 17, "1", True, 0.001])
def test_a_bad_weight_is_refused_by_name(weight: object) -> None:
    with pytest.raises(FeedbackError, match="weight="):
        check_weight(weight)


def test_the_ends_of_the_scale_are_scores() -> None:
    assert (check_score(0), check_score(1), check_weight(1)) == (0.0, 1.0, 1.0)


def test_scores_and_weights_lie_on_the_grids_of_exact_sums() -> None:
    y, w = quantised(1 / 3, 0.3)

    assert (y * 1024, w * 64) == (341, 19)


def test_a_first_signal_is_one_row() -> None:
    body = bodies(("human", 0.75, 1.0, True))[0]

    assert body["rows"] == [[0.75, 1.0, 1]]
    assert (body["arm"], body["objective_key"], body["source"]) == ("p/m", "k", "human")


def test_the_same_source_again_replaces_its_row() -> None:
    log = bodies(("human", 0.25, 1.0, True), ("human", 0.75, 1.0, True))

    assert log[1]["rows"] == [[0.25, 1.0, -1], [0.75, 1.0, 1]]


def test_the_same_signal_again_changes_nothing() -> None:
    assert bodies(("human", 0.25, 1.0, True), ("human", 0.25, 1.0, True))[1]["rows"] == []


def test_two_people_are_two_rows() -> None:
    log = bodies(("ann", 0.25, 1.0, True), ("bo", 0.75, 1.0, True))

    assert net(log) == {(0.25, 1.0): 1, (0.75, 1.0): 1}


def test_a_judgement_removes_guesses() -> None:
    log = bodies(("json", 1.0, 0.25, False), ("retry", 0.5, 0.25, False), ("ann", 0.0, 1.0, True))

    assert net(log) == {(0.0, 1.0): 1}


def test_a_guess_after_a_judgement_adds_nothing() -> None:
    log = bodies(("ann", 0.0, 1.0, True), ("json", 1.0, 0.25, False))

    assert log[1]["rows"] == []


def test_a_guess_after_a_guess_leaves_the_other_sources_guess() -> None:
    log = bodies(
        ("json", 1.0, 0.25, False), ("retry", 0.5, 0.25, False), ("json", 0.0, 0.25, False)
    )

    assert net(log) == {(0.5, 0.25): 1, (0.0, 0.25): 1}


def test_a_source_that_takes_its_judgement_back_to_a_guess_withdraws_it() -> None:
    log = bodies(("ann", 0.0, 1.0, True), ("bo", 1.0, 1.0, True), ("ann", 0.5, 0.25, False))

    assert net(log) == {(1.0, 1.0): 1}


def test_a_bad_signal_gives_no_rows() -> None:
    with pytest.raises(FeedbackError):
        feedback_rows([], nan, source="ann")


signals = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.floats(0, 1),
        st.sampled_from([0.25, 1.0]),
        st.booleans(),
    ),
    max_size=8,
)


@given(signals)
def test_no_history_leaves_a_negative_row_or_more_rows_than_sources(said: list[Signal]) -> None:
    left = net(bodies(*said))

    assert all(count > 0 for count in left.values())
    assert sum(left.values()) <= len({source for source, *_ in said})
    if said:
        assert left
