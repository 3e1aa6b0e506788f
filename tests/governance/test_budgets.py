from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.governance.budgets import (
    Admitted,
    Denied,
    Lottery,
    Offer,
    Room,
    admit,
    amount_at,
)
from trunkline.routing.distribution import draw


def offer(amount: int | None, **fields: Any) -> Offer:
    defaults: dict[str, Any] = {"output_cap": 1000, "output_pico": 1_000_000}
    return Offer(provider="p", model="m", amount_nanousd=amount, **{**defaults, **fields})


def room(left: int, on_exceeded: Any = "fit", scope: str = "all") -> Room:
    return Room(1, scope, "month", left + 50, 20, 30, on_exceeded, 99.0)


def first_choice(n: int) -> Lottery:
    return Lottery([1.0] + [0.0] * (n - 1), range(n), 0.5, draw)


def test_without_budgets_everything_fits_and_no_cap_is_imposed() -> None:
    verdict = admit([offer(10**15), offer(None)], [(), ()], first_choice(2))

    assert verdict == Admitted(0, 10**15, None, False, False, (1.0, 0.0), (None, None))


def test_without_budgets_an_unpriced_offer_is_held_at_nothing_and_flagged() -> None:
    verdict = admit([offer(None)], [()], first_choice(1))

    assert isinstance(verdict, Admitted)
    assert (verdict.amount, verdict.unpriced) == (0, True)


def test_what_does_not_fit_is_masked_and_its_mass_goes_to_the_best_that_does() -> None:
    rooms = (room(100),)

    verdict = admit([offer(101), offer(100), offer(1)], [rooms] * 3, first_choice(3))

    assert isinstance(verdict, Admitted)
    assert verdict.chosen == 1
    assert verdict.probabilities == (0.0, 1.0, 0.0)
    assert verdict.mask == ("does not fit the budget all per month", None, None)
    assert verdict.output_cap == 1000


def test_each_offer_meets_its_own_rooms() -> None:
    common = room(1000)
    rooms = [(common, room(5, scope="model:p/a")), (common,)]

    verdict = admit([offer(6), offer(6)], rooms, first_choice(2))

    assert isinstance(verdict, Admitted)
    assert verdict.chosen == 1
    assert verdict.mask[0] == "does not fit the budget model:p/a per month"


def test_a_refuse_budget_does_not_swap_the_drawn_offer() -> None:
    rooms = (room(100, "refuse"),)

    verdict = admit([offer(101), offer(1)], [rooms] * 2, first_choice(2))

    assert verdict == Denied(rooms[0], 101, (None, None), False)


def test_a_refuse_budget_lets_through_what_fits() -> None:
    verdict = admit([offer(100)], [(room(100, "refuse"),)], first_choice(1))

    assert isinstance(verdict, Admitted)


def test_a_refuse_budget_does_not_lower_the_cap() -> None:
    rooms = (room(1_000_000, "refuse"), room(800_000))

    verdict = admit([offer(1_200_000)], [rooms], first_choice(1))

    assert verdict == Denied(rooms[0], 1_200_000, ("does not fit the budget all per month",), False)


def test_nothing_fits_so_the_cap_is_lowered_just_enough() -> None:
    # 1000 tokens at 1000 nano-dollars, and 200 000 for the input.
    verdict = admit([offer(1_200_000)], [(room(700_500),)], first_choice(1))

    assert isinstance(verdict, Admitted)
    assert (verdict.output_cap, verdict.amount, verdict.lowered) == (500, 700_000, True)
    assert verdict.mask == ("does not fit the budget all per month",)


def test_a_cap_is_never_lowered_below_256() -> None:
    enough = admit([offer(1_000_000)], [(room(256_000),)], first_choice(1))
    short = admit([offer(1_000_000)], [(room(255_999),)], first_choice(1))

    assert isinstance(enough, Admitted)
    assert enough.output_cap == 256
    assert isinstance(short, Denied)
    assert short.needed == 256_000


def test_the_callers_own_cap_is_not_lowered() -> None:
    verdict = admit([offer(1_000_000, cap_is_callers=True)], [(room(900_000),)], first_choice(1))

    assert isinstance(verdict, Denied)
    assert verdict.needed == 1_000_000


def test_a_cap_is_lowered_only_where_nothing_fits_as_it_is() -> None:
    rooms = (room(900_000),)

    verdict = admit([offer(1_000_000), offer(900_000)], [rooms] * 2, first_choice(2))

    assert isinstance(verdict, Admitted)
    assert (verdict.chosen, verdict.lowered) == (1, False)


def test_a_free_model_passes_where_a_free_budget_is_spent() -> None:
    rooms = (room(0, "free"),)

    verdict = admit([offer(1_000_000), offer(0, is_free=True)], [rooms] * 2, first_choice(2))

    assert isinstance(verdict, Admitted)
    assert (verdict.chosen, verdict.amount, verdict.unpriced) == (1, 0, False)


def test_a_free_budget_does_not_lower_the_cap() -> None:
    verdict = admit([offer(1_000_000)], [(room(900_000, "free"),)], first_choice(1))

    assert isinstance(verdict, Denied)


def test_a_free_budget_with_room_does_not_stop_another_from_lowering() -> None:
    rooms = (room(10**9, "free"), room(900_000))

    verdict = admit([offer(1_000_000)], [rooms], first_choice(1))

    assert isinstance(verdict, Admitted)
    assert verdict.output_cap == 900


@pytest.mark.parametrize("rule", ["fit", "refuse", "free"])
def test_M9_a_free_model_works_when_the_budget_is_spent(rule: str) -> None:
    verdict = admit([offer(None, is_free=True)], [(room(-5, rule),)], first_choice(1))

    assert isinstance(verdict, Admitted)
    assert verdict.unpriced is False


@pytest.mark.parametrize("rule", ["fit", "refuse", "free"])
def test_M9_an_unknown_price_is_refused_under_a_budget(rule: str) -> None:
    rooms = (room(10**9, rule),)

    verdict = admit([offer(None)], [rooms], first_choice(1))

    assert verdict == Denied(rooms[0], None, ("no price",), True)


def test_M9_an_unknown_price_passes_where_it_is_allowed() -> None:
    verdict = admit([offer(None, unpriced_allowed=True)], [(room(0),)], first_choice(1))

    assert isinstance(verdict, Admitted)
    assert (verdict.amount, verdict.unpriced) == (0, True)


def test_a_denial_names_the_tightest_room_of_the_offer_that_needs_least() -> None:
    tight, wide = room(3, scope="team:a"), room(50)
    rooms = [(wide, tight), (wide,)]
    fixed = {"cap_is_callers": True}

    verdict = admit([offer(60, **fixed), offer(70, **fixed)], rooms, first_choice(2))

    assert isinstance(verdict, Denied)
    assert (verdict.room, verdict.needed, verdict.unpriced) == (tight, 60, False)


@given(
    amounts=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=6),
    lefts=st.lists(st.integers(-100, 3_000_000), min_size=0, max_size=3),
    rules=st.lists(st.sampled_from(["fit", "refuse", "free"]), min_size=3, max_size=3),
    u=st.floats(0, 1, exclude_max=True),
    pico=st.integers(0, 2_000_000),
)
def test_M2_whatever_is_admitted_fits_every_room(
    amounts: list[int], lefts: list[int], rules: list[Any], u: float, pico: int
) -> None:
    rooms = tuple(room(left, rule) for left, rule in zip(lefts, rules, strict=False))
    offers = [offer(a + pico, output_pico=pico) for a in amounts]
    even = Lottery([1 / len(offers)] * len(offers), range(len(offers)), u, draw)

    verdict = admit(offers, [rooms] * len(offers), even)

    if isinstance(verdict, Admitted):
        assert all(verdict.amount <= r.left for r in rooms)
        assert abs(sum(verdict.probabilities) - 1) < 1e-9
        assert verdict.probabilities[verdict.chosen] > 0
    else:
        assert verdict.needed is not None
        assert any(verdict.needed > r.left for r in rooms)


@given(tokens=st.integers(256, 10_000), pico=st.integers(1, 10**8), rest=st.integers(0, 10**9))
def test_M3_a_lowered_amount_is_still_an_upper_bound(tokens: int, pico: int, rest: int) -> None:
    cap = 10_000
    full = -(-(rest + cap * pico) // 1000)
    bound = amount_at(offer(full, output_cap=cap, output_pico=pico), tokens)

    assert bound >= -(-(rest + tokens * pico) // 1000)
