from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.display.text import MAX_CELL, is_number, line, plain, text_card, text_table, visible

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters(exclude_categories=())),
    st.lists(st.text(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(), max_size=3),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (1_234_567, "1234567"),
        (0.123456, "0.1235"),
        (Decimal("0.000000001"), "0.000000001"),
        (Decimal("1E+3"), "1000"),
        ({"a": 1, "b": None}, "a=1, b="),
        (("x", 2), "x, 2"),
        ({3}, "3"),
        (b"raw", "b'raw'"),
    ],
)
def test_a_value_is_written_for_reading(value: object, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tof", "two lines of"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\ud800", "\\ud800"),
        ("admin\u202enimda", "admin\\u202enimda"),
        ("zażółć 中文 🙂", "zażółć 中文 🙂"),
    ],
)
def test_what_could_break_a_line_or_a_terminal_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(VALUES)
def test_every_value_is_one_printable_line_of_bounded_length(value: object) -> None:
    text = plain(value)

    assert text.isprintable()
    assert "\n" not in text
    assert text.encode().decode() == text
    assert len(text) <= MAX_CELL or isinstance(value, int | Decimal)


def test_a_long_text_is_cut_and_shows_it() -> None:
    text = plain("x" * (MAX_CELL + 1))

    assert len(text) == MAX_CELL
    assert text.endswith("…")


def test_a_line_leaves_out_what_is_empty() -> None:
    assert line("Routing", "a/b", None, "", 0.5) == "<Routing a/b 0.5>"


@pytest.mark.parametrize(
    ("value", "number"), [(1, True), (Decimal(1), True), (True, False), ("1", False)]
)
def test_what_counts_as_a_number(value: Any, number: bool) -> None:
    assert is_number(value) is number


def test_a_table_aligns_text_left_and_numbers_right() -> None:
    rows = [
        {"model": "a/long-name", "usd": Decimal("0.5")},
        {"model": "b", "usd": Decimal("12.25")},
    ]

    assert text_table(["model", "usd"], rows).splitlines() == [
        "model          usd",
        "-----------  -----",
        "a/long-name    0.5",
        "b            12.25",
    ]


def test_a_table_without_rows_shows_its_columns() -> None:
    assert text_table(["a", "bc"], []) == "a  bc\n-  --"


def test_a_card_lists_what_is_known_and_its_details() -> None:
    card = text_card("Title", [("reason", "prior"), ("id", None)], ["m"], [{"m": "x"}])

    assert card == "Title\n  reason  prior\n\nm\n-\nx"


def test_a_card_without_facts_is_its_title() -> None:
    assert text_card("Title", []) == "Title"
