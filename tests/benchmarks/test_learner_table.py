from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import learner_table, tables
from trunkline.catalog.models import Model

if TYPE_CHECKING:
    from pathlib import Path

# A tenth of the protocol's length: 300 prompts, 5 seeds. Mean rewards recorded, less 0.01 for
# platforms whose arithmetic differs in the last bit and so takes other turns.
RECORDED = {
    "mixed9": {0.0: 0.531, 0.2: 0.456, 1.0: 0.351},
    "graded4": {0.0: 0.927, 0.2: 0.910, 1.0: 0.883},
}
TOLERANCE = 0.01


@pytest.mark.parametrize("name", RECORDED)
def test_learning_on_real_prompts_earns_what_it_earned(name: str, shared_data: Path) -> None:
    table = tables.load(name, shared_data)
    encoded = learner_table.encode_all(table)

    for weight, recorded in RECORDED[name].items():
        rewards = table.rewards(weight)
        runs = [
            learner_table.run(table, encoded, weight, seed=seed, prompts=300) for seed in range(5)
        ]
        earned = np.mean([rewards[r.rows, r.chosen].mean() for r in runs])
        assert earned >= recorded - TOLERANCE, (weight, earned)


def test_usage_times_price_gives_the_tables_cost() -> None:
    model = Model("m", input_usd_per_m="0.5", output_usd_per_m="2")

    tokens_in, tokens_out = tables.usage("x" * 400, model, 0.00025)

    assert (tokens_in, tokens_out) == (100, 100)
    assert tables.usage("", model, 0.0) == (1, 1)


def test_aiq_is_the_mean_height_of_the_rising_hull() -> None:
    assert tables.mean_curve_area([1, 2, 3], [0.0, 1.0, 0.5]) == pytest.approx(0.75)
    assert tables.mean_curve_area([1, 3], [0.5, 0.5]) == pytest.approx(0.5)
    assert tables.mean_curve_area([1], [0.4]) == 0.4
