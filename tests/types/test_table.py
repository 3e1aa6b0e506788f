from __future__ import annotations

import copy
import csv
import io
import json
import pickle
import stat
import sys
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from trunkline.types.table import Table

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    team: str
    cost_usd: Decimal
    note: object = None


ROWS = (Row("research", Decimal("0.10")), Row("ops", Decimal("2.000000001")), Row("x", Decimal(0)))
TABLE: Table[Row] = Table(ROWS)


def test_a_table_is_a_sequence_of_its_records() -> None:
    assert len(TABLE) == 3
    assert TABLE[0] is ROWS[0]
    assert TABLE[-1] is ROWS[2]
    assert list(TABLE) == list(ROWS)
    assert ROWS[1] in TABLE


def test_a_slice_is_a_table_with_the_same_columns() -> None:
    part = TABLE[1:]

    assert isinstance(part, Table)
    assert list(part) == list(ROWS[1:])
    assert TABLE[:0].columns == TABLE.columns


def test_columns_are_those_of_the_records_in_order_of_appearance() -> None:
    assert TABLE.columns == ("team", "cost_usd", "note")
    assert Table([{"a": 1}, {"b": 2, "a": 3}]).columns == ("a", "b")


def test_an_empty_table_keeps_the_columns_it_was_given() -> None:
    table: Table[Row] = Table(columns=["team"])

    assert table.columns == ("team",)
    assert table.to_csv() == "team\n"
    assert not table


def test_given_columns_choose_and_order() -> None:
    assert Table(ROWS[:1], columns=["cost_usd", "team"]).to_dicts() == [
        {"cost_usd": Decimal("0.10"), "team": "research"}
    ]


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TABLE[0] = ROWS[1]  # type: ignore[index]
    with pytest.raises(AttributeError):
        TABLE.extra = 1  # type: ignore[attr-defined]


def test_dicts_keep_decimals_and_nested_values_as_they_are() -> None:
    nested = {"a": Decimal("0.10")}

    (row,) = Table([Row("t", Decimal("0.10"), nested)]).to_dicts()

    assert row == {"team": "t", "cost_usd": Decimal("0.10"), "note": nested}
    assert str(row["cost_usd"]) == "0.10"


def test_csv_is_exact_and_reads_back() -> None:
    tricky = {"text": 'a,"b"\nc' * 100, "usd": Decimal("1E+2"), "f": 0.1 + 0.2, "none": None}

    (row,) = csv.DictReader(io.StringIO(Table([tricky]).to_csv(), newline=""))

    assert row["text"] == tricky["text"]
    assert row["usd"] == "100"
    assert float(row["f"]) == tricky["f"]
    assert row["none"] == ""


def test_csv_writes_nested_values_as_json() -> None:
    (row,) = csv.DictReader(io.StringIO(Table([{"tags": MappingProxyType({"a": "b"})}]).to_csv()))

    assert json.loads(row["tags"]) == {"a": "b"}


def test_json_lines_keep_the_digits_of_amounts() -> None:
    nested = Row("inner", Decimal("0.10"), {1})
    rows = [{"usd": Decimal("0.10"), "nan": float("nan"), "nested": nested, "odd": complex(1, 2)}]

    (line,) = Table(rows).to_jsonl().splitlines()

    assert json.loads(line) == {
        "usd": "0.10",
        "nan": None,
        "nested": {"team": "inner", "cost_usd": "0.10", "note": [1]},
        "odd": "1+2j",
    }


@pytest.mark.parametrize("method", ["to_csv", "to_jsonl"])
def test_files_are_for_their_owner_only(method: str, tmp_path: Path) -> None:
    path = tmp_path / "out"

    text = getattr(TABLE, method)(path)

    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("x" * 10_000)

    TABLE.to_csv(str(path))

    assert path.read_text() == TABLE.to_csv()


@pytest.mark.parametrize(
    ("library", "method", "maker"),
    [("pandas", "to_pandas", "DataFrame"), ("polars", "to_polars", "DataFrame"),
     ("pyarrow", "to_arrow", "table")],
)  # fmt: skip
def test_frames_get_every_column_with_decimals_kept(
    library: str, method: str, maker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = ModuleType(library)
    setattr(stand_in, maker, lambda content, **_options: content)
    monkeypatch.setitem(sys.modules, library, stand_in)

    content: Any = getattr(TABLE, method)()

    if isinstance(content, list):
        assert content == TABLE.to_dicts()
    else:
        assert list(content) == list(TABLE.columns)
        assert content["cost_usd"] == [row.cost_usd for row in ROWS]


@pytest.mark.parametrize(
    ("library", "method"),
    [("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")],
)
def test_real_frames_hold_the_exact_amounts(library: str, method: str) -> None:
    pytest.importorskip(library)
    frame: Any = getattr(TABLE[:2], method)()

    column = frame["cost_usd"]
    values = column.to_pylist() if library == "pyarrow" else column.to_list()

    assert values == [row.cost_usd for row in ROWS[:2]]
    assert all(isinstance(value, Decimal) for value in values)


def test_a_missing_library_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> ModuleType:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("trunkline.types.table.import_module", absent)

    with pytest.raises(
        ModuleNotFoundError, match=r"to_polars\(\) needs polars: .*pip install"
    ) as it:
        TABLE.to_polars()
    assert it.value.name == "polars"


def test_a_broken_library_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr("trunkline.types.table.import_module", broken)

    with pytest.raises(ModuleNotFoundError, match="No module named 'numpy'"):
        TABLE.to_pandas()


def test_tables_show_themselves() -> None:
    assert repr(TABLE) == str(TABLE) == "<Table 3 rows: team, cost_usd, note>"
    assert repr(TABLE[:1]).startswith("<Table 1 row:")
    assert repr(Table()) == "<Table 0 rows>"
    assert TABLE.to_text().splitlines()[2].split() == ["research", "0.10"]
    assert "<td" in TABLE._repr_html_()
    assert "2.000000001" in TABLE._repr_html_()


def test_equal_tables_have_equal_columns_and_rows() -> None:
    assert Table(ROWS) == TABLE
    assert TABLE[:2] != TABLE
    assert Table(ROWS, columns=["team"]) != TABLE
    assert TABLE != ROWS


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda table: pickle.loads(pickle.dumps(table))],  # noqa: S301
    ids=["copy", "deepcopy", "pickle"],
)
def test_tables_survive_copies(again: Any) -> None:
    assert again(TABLE) == TABLE


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(TypeError, match="dataclasses or mappings, not int"):
        Table([1])


def test_people_read_dates_where_records_keep_epoch_seconds() -> None:
    table = Table([{"name": "day", "resets_at": 86_400.0}, {"name": "total", "resets_at": None}])

    assert "1970-01-02 00:00:00Z" in table.to_text()
    assert "1970-01-02 00:00:00Z" in table._repr_html_()
    assert table.to_dicts()[0]["resets_at"] == 86_400.0
    assert "86400" in table.to_csv()


def test_a_table_without_rows_or_columns_says_so() -> None:
    assert Table([]).to_text() == "no rows"
    assert Table([])._repr_html_() == "<em>no rows</em>"
