from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.display.html import escaped, html_card, html_table
from trunkline.display.text import plain

HOSTILE = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</td></table><img src=x onerror=alert(1)>",
        '" onmouseover="alert(1)',
        "' style='background:url(//x)",
        "&lt;b&gt;",
        "<!--",
        "]]>",
        "\ud800<b>",
    ]
)
OURS = {"div", "table", "thead", "tbody", "tr", "th", "td"}


class Reader(HTMLParser):
    """Collects what a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.other: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_decl(self, decl: str) -> None:
        self.other.append(decl)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)


def check_harmless(html: str) -> Reader:
    page = Reader(html)
    assert set(page.tags) <= OURS
    assert page.attributes <= {"style"}
    assert not page.other
    return page


def test_the_reader_would_see_markup_that_got_through() -> None:
    with pytest.raises(AssertionError):
        check_harmless("<td><script>alert(1)</script></td>")
    with pytest.raises(AssertionError):
        check_harmless('<td style="" onclick="x">a</td>')


@given(HOSTILE)
def test_an_escaped_value_is_text_and_nothing_else(value: str) -> None:
    page = check_harmless(escaped(value))

    assert page.tags == []
    assert "".join(page.texts) == plain(value)
    assert '"' not in escaped(value)
    assert "'" not in escaped(value)


@given(st.lists(HOSTILE, min_size=1, max_size=3, unique=True), st.data())
def test_no_column_and_no_cell_becomes_markup(columns: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, HOSTILE)), max_size=3))

    page = check_harmless(html_table(columns, rows))

    assert page.tags.count("td") == len(columns) * len(rows)
    assert page.tags.count("th") == len(columns)
    shown = [plain(cell) for cell in [*columns, *(row[c] for row in rows for c in columns)]]
    assert "".join(page.texts) == "".join(shown)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_on_a_card_becomes_markup(title: str, name: str, value: str, cell: str) -> None:
    page = check_harmless(html_card(title, [(name, value)], ["c"], [{"c": cell}]))

    assert "".join(page.texts) == "".join(map(plain, (title, name, value, "c", cell)))


def test_facts_that_are_not_known_are_left_out() -> None:
    html = html_card("t", [("reason", "prior"), ("team", None)])

    assert "prior" in html
    assert "team" not in html


def test_numbers_stand_to_the_right() -> None:
    html = html_table(["a", "b"], [{"a": Decimal(1), "b": "x"}])

    assert 'text-align:right">1<' in html
    assert 'text-align:left">x<' in html


def test_a_long_table_says_how_much_it_left_out() -> None:
    rows = [{"n": n} for n in range(5)]

    assert "2 more rows" in html_table(["n"], rows, max_rows=3)
    assert "more rows" not in html_table(["n"], rows, max_rows=5)


def test_pages_load_nothing_from_elsewhere() -> None:
    html = html_card("t", [("a", 1)], ["c"], [{"c": 1}])

    assert not any(word in html for word in ("http", "src=", "href=", "<script", "@import"))
