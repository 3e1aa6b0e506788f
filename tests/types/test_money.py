from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ConfigurationError
from trunkline.types.money import MAX_NANOUSD, PICO_PER_USD, nanousd, pico_per_token, usd


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("0.5", 500_000_000),
        (Decimal("0.000000001"), 1),
        (3, 3_000_000_000),
        ("0", 0),
        ("1e-9", 1),
        ("9223372036.854775807", MAX_NANOUSD),
    ],
)
def test_an_amount_becomes_integer_nano_dollars(amount: Decimal | str | int, nano: int) -> None:
    assert nanousd(amount) == nano


def test_a_float_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(ConfigurationError, match=r'limit is a float; .*write limit="0.5"'):
        nanousd(0.5, name="limit")  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [True, None, b"1", [1]])
def test_what_is_no_amount_is_refused_by_its_type(amount: Any) -> None:
    with pytest.raises(ConfigurationError, match="money is exact"):
        nanousd(amount)


@pytest.mark.parametrize("amount", ["", "ten", "$5", "1,5"])
def test_text_that_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(ConfigurationError, match="is no amount"):
        nanousd(amount)


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "-Infinity", "sNaN", -3])
def test_negative_and_non_finite_amounts_are_refused(amount: str | int) -> None:
    with pytest.raises(ConfigurationError, match="finite and not negative"):
        nanousd(amount)


@pytest.mark.parametrize(
    "amount", ["0.0000000001", "1." + "0" * 40 + "1", "1." + "0" * 80 + "1", "1e-99999999"]
)
def test_what_is_finer_than_a_nano_dollar_is_refused_not_rounded(amount: str) -> None:
    with pytest.raises(ConfigurationError, match="finer than a nano-dollar"):
        nanousd(amount)


@pytest.mark.parametrize("amount", ["9223372036.854775808", "1e30", "1e999999"])
def test_what_a_column_cannot_hold_is_refused(amount: str) -> None:
    with pytest.raises(ConfigurationError, match="more than 9223372036 dollars"):
        nanousd(amount)


@given(st.integers(0, MAX_NANOUSD))
def test_what_is_shown_reads_back_to_the_nano_dollar(nano: int) -> None:
    shown = usd(nano)

    assert nanousd(shown) == nanousd(str(shown)) == nano


@pytest.mark.parametrize(
    ("nano", "shown"),
    [(0, "0"), (1_000_000_000, "1"), (150_000_000_000, "150"), (1_500_000_000, "1.5")],
)
def test_dollars_are_shown_without_trailing_zeros_or_exponents(nano: int, shown: str) -> None:
    assert str(usd(nano)) == shown


@pytest.mark.parametrize(("price", "pico"), [("0.0375", 37_500), (2, 2_000_000), ("0.000001", 1)])
def test_a_price_per_million_becomes_pico_dollars_per_token(price: str | int, pico: int) -> None:
    assert pico_per_token(price, name="input_usd_per_m") == pico


def test_a_price_must_fit_a_pico_dollar_and_stay_below_a_dollar_per_token() -> None:
    assert pico_per_token(1_000_000, name="p") == PICO_PER_USD
    with pytest.raises(ConfigurationError, match=r"p=0\.0000001 is finer"):
        pico_per_token("0.0000001", name="p")
    with pytest.raises(ConfigurationError, match="more than a dollar per token"):
        pico_per_token(1_000_001, name="p")


def test_the_hint_for_a_float_is_the_callers_own_amount() -> None:
    with pytest.raises(ConfigurationError, match=r'write usd="0\.05"'):
        nanousd(0.05)  # type: ignore[arg-type]  # what the message is for
