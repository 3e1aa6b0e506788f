"""Read the routing tables and turn a row into what a provider would have reported.

Shared by the benchmarks; decides nothing about routing.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trunkline.catalog.models import Model

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD_LIMIT = 10_000_000
LAMBDAS = (0.0, 0.2, 1.0)


@dataclass(frozen=True, slots=True)
class Table:
    """Every prompt answered by every model.

    Attributes:
        models: Priced models, in the table's order.
        prompts: One per row.
        quality: Shape (rows, models), in [0, 1].
        cost_usd: Shape (rows, models).
    """

    models: tuple[Model, ...]
    prompts: tuple[str, ...]
    quality: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    cost_usd: np.ndarray[tuple[int, int], np.dtype[np.float64]]

    @property
    def cost_ref_usd(self) -> float:
        """The dearest model's mean cost over all rows."""
        return float(self.cost_usd.mean(axis=0).max())

    def rewards(self, weight: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return quality - weight·cost / cost_ref, shape (rows, models)."""
        return self.quality - weight * self.cost_usd / self.cost_ref_usd

    def order(self, seed: int, n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the first ``n`` rows of the seed's order."""
        return np.random.default_rng(seed).permutation(len(self.prompts))[:n]


def folder(shared: Path | None = None) -> Path:
    """Return where the tables lie."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return (shared or Path(os.environ.get("TRUNKLINE_SHARED") or beside)) / "routing-data"


def load(name: str, shared: Path | None = None) -> Table:
    """Read ``<name>.csv.gz`` and its prices."""
    csv.field_size_limit(_FIELD_LIMIT)
    prices = json.loads((folder(shared) / f"{name}.models.json").read_text(encoding="utf-8"))[
        "models"
    ]
    with gzip.open(folder(shared) / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [key.removeprefix("quality:") for key in rows[0] if key.startswith("quality:")]
    return Table(
        models=tuple(
            Model(
                id,
                input_usd_per_m=str(Decimal(str(prices[id]["price_in_per_m"]))),
                output_usd_per_m=str(Decimal(str(prices[id]["price_out_per_m"]))),
            )
            for id in ids
        ),
        prompts=tuple(row["prompt"] for row in rows),
        quality=np.array([[float(row[f"quality:{id}"]) for id in ids] for row in rows]),
        cost_usd=np.array([[float(row[f"cost:{id}"]) for id in ids] for row in rows]),
    )


def usage(prompt: str, model: Model, cost_usd: float) -> tuple[int, int]:
    """Return (input, output) tokens that cost ``cost_usd`` at the model's prices.

    Input is a quarter of the characters; output is solved, rounded, at least 1.
    """
    assert model.prices is not None
    rates = model.prices.base
    tokens_in = max(1, len(prompt) // 4)
    tokens_out = round((cost_usd * 1e12 - tokens_in * rates.input) / rates.output)
    return tokens_in, max(1, tokens_out)


def fixed_choices(
    table: Table, weight: float, *, prompts: int, seeds: int
) -> tuple[float, float, float, float]:
    """Return mean rewards of best fixed model in hindsight, cheapest, random and oracle."""
    rewards = table.rewards(weight)
    orders = [table.order(seed, prompts) for seed in range(seeds)]
    cheapest = int(table.cost_usd.mean(axis=0).argmin())
    return (
        float(np.mean([rewards[rows].mean(axis=0).max() for rows in orders])),
        float(np.mean([rewards[rows, cheapest].mean() for rows in orders])),
        float(np.mean([rewards[rows].mean() for rows in orders])),
        float(np.mean([rewards[rows].max(axis=1).mean() for rows in orders])),
    )


def areas(table: Table, costs: list[float], values: list[float]) -> tuple[float, float]:
    """Return the AIQ of learned points, closed by the cheapest model, and of the fixed models."""
    fixed_costs = table.cost_usd.mean(axis=0).tolist()
    fixed_values = table.quality.mean(axis=0).tolist()
    cheap = fixed_values[int(np.argmin(fixed_costs))]
    ends = [min(fixed_costs), max(fixed_costs)]
    points = ([ends[0], *costs, ends[1]], [cheap, *values, max(values)])
    return mean_curve_area(*points), mean_curve_area(fixed_costs, fixed_values)


def mean_curve_area(costs: list[float], values: list[float]) -> float:
    """Return AIQ: mean height of the non-decreasing convex hull over the cost range."""
    points = sorted(zip(costs, values, strict=True))
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) >= 2 and _left_of(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    peak = max(range(len(hull)), key=lambda i: hull[i][1])
    hull = [*hull[: peak + 1], (hull[-1][0], hull[peak][1])]
    width = hull[-1][0] - hull[0][0]
    if width <= 0:
        return hull[0][1]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(hull))
    return area / width


def _left_of(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0


def main(description: str | None, report: Callable[..., None]) -> None:
    """Read the command line and report each table."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--prompts", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for each in arguments.tables:
        report(each, prompts=arguments.prompts, seeds=arguments.seeds)
