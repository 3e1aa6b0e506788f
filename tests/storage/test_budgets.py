from __future__ import annotations

from typing import Any

import pytest
from tests.support.books import CENT, NOON, UNBILLED, Books, charged, offer, paid

from trunkline.errors import ConfigurationError
from trunkline.governance.budgets import Budget
from trunkline.storage import balances, budgets
from trunkline.storage.balances import _CACHED, _MOST
from trunkline.storage.records import Granted

HOUR = 3600.0
WHO: dict[str, Any] = {"team": "t", "user": "u", "tags": {"k": "v"}}


def remove(books: Books, scope: str, per: Any = None) -> int:
    return books.write(lambda c: budgets.remove_budget(c, scope, per, books.now))


def scopes_of(books: Books) -> list[str]:
    return [row.scope for row in books.write(lambda c: budgets.status(c, books.now))]


@pytest.mark.parametrize(
    "scope",
    ["all", "team:t", "user:u", "team:t/user:u", "provider:p", "model:p/m", "tag:k=v"],
)
def test_M13_a_budget_set_in_mid_period_counts_what_was_before(books: Books, scope: str) -> None:
    books.settle(books.granted(**WHO), paid(3))
    books.settle(books.granted(**WHO), charged(4))
    books.settle(books.granted(**WHO), UNBILLED)
    books.settle(books.granted(offer("other", provider="q"), team="x", user="y"), paid(100))
    under_way = books.granted(**WHO)
    books.now += HOUR

    books.budget(scope, 10**12)

    others = 100 if scope == "all" else 0
    assert books.figures(scope) == (7 + others, CENT)
    books.settle(under_way, paid(5))
    assert books.figures(scope) == (12 + others, 0)
    books.assert_sound()


def test_M13_only_the_running_period_counts(books: Books) -> None:
    books.settle(books.granted(), paid(3))
    books.granted()
    books.now += 24 * HOUR

    books.budget("all", CENT, per="day")
    books.budget("all", CENT, per="total")

    assert books.figures("all", "day") == (0, 0)
    assert books.figures("all", "total") == (3, CENT)


def test_M13_a_late_settle_reaches_a_budget_set_after_the_estimate(books: Books) -> None:
    call_id = books.granted()
    books.settle(call_id, charged(9))
    books.budget("all", CENT)

    books.settle(call_id, paid(4))

    assert books.figures("all") == (4, 0)
    books.assert_sound()


def test_periods_stand_side_by_side(books: Books) -> None:
    books.budget("all", CENT, per="day")
    books.budget("all", 2 * CENT, per="month")
    books.settle(books.granted(), paid(CENT))

    assert books.refused().per == "day"
    books.now += 24 * HOUR
    books.settle(books.granted(), paid(CENT))
    books.now += 24 * HOUR

    assert books.refused().per == "month"
    books.assert_sound()


def test_a_budget_keeps_its_own_calendar(books: Books) -> None:
    books.now = NOON - 2.5 * HOUR  # 23:30 there
    books.budget("all", CENT, per="day", tz="Pacific/Kiritimati")
    books.settle(books.granted(), paid(CENT))
    books.refused()

    books.now = NOON - 2 * HOUR

    books.granted()


def test_another_limit_keeps_the_balance(books: Books) -> None:
    books.budget("all", CENT)
    books.settle(books.granted(), paid(3))

    books.budget("all", 5 * CENT, on_exceeded="refuse")

    (row,) = books.write(lambda c: budgets.status(c, books.now))
    assert (row.limit_nanousd, row.spent_nanousd, row.left_nanousd) == (5 * CENT, 3, 5 * CENT - 3)
    assert row.on_exceeded == "refuse"
    assert row.resets_at == NOON + 30.5 * 24 * HOUR


def test_another_time_zone_counts_anew_from_the_log(books: Books) -> None:
    books.now = NOON - 6 * HOUR
    books.budget("all", 10 * CENT, per="day")
    books.settle(books.granted(), paid(3))
    books.now = NOON
    held = books.granted()

    books.budget("all", 10 * CENT, per="day", tz="Etc/GMT-14")  # its day began at 10:00 UTC

    assert books.figures("all", "day") == (0, CENT)
    books.budget("all", 10 * CENT, per="day")
    assert books.figures("all", "day") == (3, CENT)
    books.settle(held)
    books.assert_sound()


def test_a_removed_budget_binds_no_more_and_counts_right_when_it_is_back(books: Books) -> None:
    books.budget("all", CENT)
    first = books.granted()

    assert remove(books, "all", "month") == 1
    second = books.granted()
    books.settle(first, paid(3))
    books.budget("all", 5 * CENT)

    assert books.figures("all") == (3, CENT)
    books.settle(second, paid(4))
    assert books.figures("all") == (7, 0)
    books.assert_sound()


def test_removing_without_a_period_removes_every_one(books: Books) -> None:
    for per in ("day", "week", "month", "total"):
        books.budget("all", CENT, per=per)

    assert remove(books, "all") == 4
    assert remove(books, "all") == 0
    assert books.write(budgets.list_budgets) == []


def test_a_template_makes_a_balance_for_each_at_first_use(books: Books) -> None:
    books.budget("user:*", CENT)
    assert scopes_of(books) == ["user:*"]

    books.settle(books.granted(user="bo"), paid(CENT))
    books.refused(user="bo")
    books.granted(user="jo")
    books.granted()

    assert sorted(scopes_of(books)) == ["user:bo", "user:jo"]
    books.assert_sound(held=2)


def test_a_template_set_in_mid_period_counts_each_ones_past(books: Books) -> None:
    books.settle(books.granted(user="bo"), paid(CENT))
    held = books.granted(user="bo")
    books.budget("user:*", 2 * CENT)

    assert books.refused(user="bo").spent_nanousd == CENT
    books.settle(held, paid(2))
    assert books.figures("user:bo") == (CENT + 2, 0)
    books.assert_sound()


def test_a_literal_rule_overrides_the_template_for_its_id_and_period(books: Books) -> None:
    books.budget("user:*", CENT)
    books.budget("user:*", 7 * CENT, per="day")
    books.budget("user:bo", 3 * CENT)

    books.settle(books.granted(user="bo"), paid(2 * CENT))
    books.settle(books.granted(user="bo"), paid(CENT))

    refusal = books.refused(user="bo")
    assert (refusal.per, refusal.limit_nanousd) == ("month", 3 * CENT)
    rows = books.write(lambda c: budgets.status(c, books.now))
    limits = {(row.scope, row.per): row.limit_nanousd for row in rows}
    assert limits == {
        ("user:*", "month"): CENT,
        ("user:bo", "day"): 7 * CENT,
        ("user:bo", "month"): 3 * CENT,
    }
    books.assert_sound()


def test_the_template_counts_again_when_the_literal_rule_goes(books: Books) -> None:
    books.budget("user:*", 5 * CENT)
    books.settle(books.granted(user="bo"), paid(2))
    books.budget("user:bo", 9 * CENT, tz="Asia/Tokyo")
    books.settle(books.granted(user="bo"), paid(3))
    remove(books, "user:bo")

    books.settle(books.granted(user="bo"), paid(4))

    assert books.figures("user:bo") == (9, 0)
    books.assert_sound()


def test_the_template_counts_what_a_literal_rule_counted_in_a_later_period(books: Books) -> None:
    books.budget("user:*", 5 * CENT)
    books.now += 31 * 24 * HOUR
    books.budget("user:bo", 9 * CENT)
    books.settle(books.granted(user="bo"), paid(3))
    remove(books, "user:bo")

    books.settle(books.granted(user="bo"), paid(4))

    assert books.figures("user:bo") == (7, 0)
    books.assert_sound()


def test_a_literal_budget_shows_its_past_when_a_template_over_it_goes(books: Books) -> None:
    books.budget("user:bo", 5 * CENT)
    books.settle(books.granted(user="bo"), paid(2))
    books.budget("user:*", 9 * CENT)
    assert books.figures("user:bo") == (2, 0)

    remove(books, "user:*")

    assert books.figures("user:bo") == (2, 0)
    books.assert_sound()


def test_M13_a_call_at_the_very_start_of_the_period_counts(books: Books) -> None:
    books.now = NOON + 12 * HOUR
    books.settle(books.granted(), paid(2))

    books.budget("all", CENT, per="day")

    assert books.figures("all", "day") == (2, 0)


def test_the_most_specific_template_wins(books: Books) -> None:
    books.budget("team:*/user:*", CENT)
    books.budget("team:t/user:*", 2 * CENT)

    books.granted(offer(amount=2 * CENT), team="t", user="u")

    assert books.refused(offer(amount=2 * CENT), team="x", user="u").limit_nanousd == CENT


def test_each_candidate_meets_its_own_budget(books: Books) -> None:
    books.budget("provider:p", CENT)
    books.budget("model:q/*", 3 * CENT)
    offers = (offer("a", 2 * CENT), offer("b", 2 * CENT, provider="q"))

    books.granted(*offers)

    assert books.figures("model:q/b") == (0, 2 * CENT)
    assert books.figures("provider:p") == (0, 0)
    assert books.refused(*offers).mask == (
        "does not fit the budget provider:p per month",
        "does not fit the budget model:q/b per month",
    )


def test_more_scopes_than_one_statement_takes(books: Books) -> None:
    tags = {f"k{i}": "v" for i in range(_MOST + 3)}
    for key in tags:
        books.budget(f"tag:{key}=v", CENT)

    books.settle(books.granted(tags=tags), paid(4))

    assert {books.figures(f"tag:{key}=v") for key in tags} == {(4, 0)}
    books.assert_sound()


def test_more_callers_than_are_remembered_are_still_counted_right(books: Books) -> None:
    books.budget("all", 10**15)

    def many(connection: Any) -> None:
        book, at = balances.book_at(connection, NOON)
        for i in range(_CACHED + 2):
            book.places(connection, ("all", f"user:{i}"), at)
        assert len(book._groups) == 2

    books.write(many)

    books.settle(books.granted(user="bo"), paid(4))
    assert books.figures("all") == (4, 0)


def test_another_connection_sees_a_changed_budget_at_once(books: Books, store_path: str) -> None:
    other = Books(store_path)
    books.budget("all", 5 * CENT)
    other.granted(call_id="o1")

    books.budget("all", CENT)

    assert other.refused(call_id="o2").limit_nanousd == CENT
    other.close()


def test_a_balance_made_in_a_transaction_that_failed_is_not_remembered(books: Books) -> None:
    books.budget("user:*", CENT)

    with pytest.raises(ValueError, match="serialize"):
        books.reserve(user="bo", blocks=(("b", CENT),), body={"not": object()})

    books.granted(user="bo", blocks=(("b", CENT),))
    assert books.figures("user:bo") == (0, CENT)
    books.assert_sound(held=1)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scope": "planet:earth"}, "scope"),
        ({"scope": "block:1"}, "block"),
        ({"per": "year"}, "per="),
        ({"tz": "Mars"}, "tz="),
        ({"hold": "quantile"}, "hold="),
        ({"on_exceeded": "shrug"}, "on_exceeded="),
        ({"limit_nanousd": -1}, "limit"),
        ({"limit_nanousd": 2**63}, "limit"),
    ],
)
def test_a_budget_that_is_none_is_refused_by_name(
    books: Books, fields: dict[str, Any], named: str
) -> None:
    budget = Budget(**{"scope": "all", "per": "day", "limit_nanousd": 1, **fields})

    with pytest.raises(ConfigurationError, match=named):
        books.write(lambda c: budgets.set_budget(c, budget, NOON))
    assert books.write(budgets.list_budgets) == []


def test_a_budget_reads_back_as_it_was_set(books: Books) -> None:
    budget = Budget(
        scope="team:*", per="week", limit_nanousd=7, tz="Asia/Tokyo", on_exceeded="free"
    )

    books.write(lambda c: budgets.set_budget(c, budget, NOON))

    assert books.write(budgets.list_budgets) == [budget]


DATED = offer("m-2025-08-07", CENT, entry="m")
SPELLINGS = [offer("m"), offer("M"), DATED, offer("M-2025-08-07", CENT, entry="m")]


@pytest.mark.parametrize("set_first", [True, False])
@pytest.mark.parametrize("scope", ["model:p/m", "model:p/M"])
def test_a_budget_of_a_model_counts_every_spelling_of_it(
    books: Books, scope: str, set_first: bool
) -> None:
    if set_first:
        books.budget(scope, 4 * CENT)
    for spelling in SPELLINGS[:3]:
        books.settle(books.granted(spelling), paid(CENT))
    books.granted(SPELLINGS[3])

    if not set_first:
        books.budget(scope, 4 * CENT)

    assert books.figures("model:p/m") == (3 * CENT, CENT)
    assert all(books.refused(o).scope == "model:p/m" for o in SPELLINGS)
    assert isinstance(books.reserve(offer("m-other", CENT, entry="m-other"))[1], Granted)
    books.assert_sound(held=2)


def test_a_budget_of_a_dated_model_counts_that_one_alone(books: Books) -> None:
    books.budget("model:p/M-2025-08-07", CENT)

    books.settle(books.granted(offer("m")), paid())
    books.settle(books.granted(SPELLINGS[3]), paid(CENT))

    assert books.refused(DATED).scope == "model:p/m-2025-08-07"
    books.assert_sound()


def test_a_late_figure_reaches_the_budget_of_the_entry(books: Books) -> None:
    call_id = books.granted(DATED)
    books.settle(call_id, charged(CENT))
    books.budget("model:p/m", 4 * CENT)

    books.settle(call_id, paid(3))

    assert books.figures("model:p/m") == (3, 0)
    books.assert_sound()


def test_a_model_budget_is_removed_under_any_case(books: Books) -> None:
    books.budget("model:p/M", CENT)

    assert books.write(lambda c: budgets.remove_budget(c, "model:P/m", None, NOON)) == 0
    assert books.write(lambda c: budgets.remove_budget(c, "model:p/m", None, NOON)) == 1
