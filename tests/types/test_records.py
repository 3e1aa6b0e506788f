from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest

from trunkline.types.records import BudgetStatus, UsageRecord
from trunkline.types.table import Table


def status(**changes: Any) -> BudgetStatus:
    values: dict[str, Any] = {
        "scope": "team:research",
        "per": "month",
        "limit": Decimal(200),
        "spent": Decimal("150.5"),
        "held": Decimal("9.25"),
        "left": Decimal("40.25"),
        "resets_at": 1_700_000_000.0,
    }
    return BudgetStatus(**{**values, **changes})


def usage(**changes: Any) -> UsageRecord:
    values: dict[str, Any] = {
        "team_id": "research",
        "user_id": None,
        "provider": "openai",
        "model": "gpt-5-mini",
        "tokens_used": 39,
        "cost_usd": Decimal("0.00015"),
        "duration_ms": 1500.0,
        "timestamp": 1_700_000_000.0,
        "routing_id": "call-1",
    }
    return UsageRecord(**{**values, **changes})


def test_a_budget_says_how_it_stands_on_one_line() -> None:
    assert repr(status()) == str(status())
    assert repr(status()) == (
        "<BudgetStatus team:research $200 per month: spent $150.5, held $9.25, left $40.25>"
    )


def test_a_budget_card_has_every_figure_and_the_instant_of_reset() -> None:
    html = status()._repr_html_()

    for fact in ("$200 per month", "$150.5", "$9.25", "$40.25", "2023-11-14T22:13:20+00:00", "fit"):
        assert f">{fact}<" in html


def test_a_total_never_resets() -> None:
    assert "resets at" not in status(per="total", resets_at=None)._repr_html_()


def test_a_hostile_scope_stays_text() -> None:
    html = status(scope="tag:a=<script>")._repr_html_()

    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_usage_record_says_who_used_what() -> None:
    assert repr(usage()) == (
        "<UsageRecord openai/gpt-5-mini 39 tokens $0.00015 1.5 s team=research settled>"
    )
    assert "$0.00015 (estimated)" in repr(usage(state="estimated", user_id="bo"))
    assert "user=bo" in repr(usage(user_id="bo"))


def test_records_make_a_table_with_the_promised_columns() -> None:
    table = Table([usage()])

    assert table.columns[:8] == (
        "team_id", "user_id", "provider", "model",
        "tokens_used", "cost_usd", "duration_ms", "timestamp",
    )  # fmt: skip
    assert table.to_dicts()[0]["cost_usd"] == Decimal("0.00015")


@pytest.mark.parametrize(("record", "field"), [(status(), "left"), (usage(), "cost_usd")])
def test_records_are_frozen(record: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(record, field, Decimal(0))
