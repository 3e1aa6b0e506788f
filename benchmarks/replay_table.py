"""Route real prompts of a graded table through the complete Router, ledger and log on.

    python benchmarks/replay_table.py mixed9 graded4 [--prompts 3000] [--seeds 5]

Simulated providers answer with usage that costs what the table says; only the chosen model's
outcome is seen, and its quality is given as feedback on every call. Prints mean reward (quality -
lambda x cost / the dearest model's mean cost) beside the best fixed model in hindsight, the
cheapest, a random and an all-knowing choice, and AIQ.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # as a script, the package of benchmarks is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tables
from trunkline import Objective, Router
from trunkline.policies import Learned
from trunkline.providers import SimulatedModel, SimulatedProvider


@dataclass(frozen=True, slots=True)
class Replay:
    """One run.

    Attributes:
        reward: Mean over the calls.
        cost_usd: Mean over the calls, as the ledger booked it.
        quality: Mean over the calls.
    """

    reward: float
    cost_usd: float
    quality: float


class _Asked:
    """Which row the simulated models are asked about now."""

    row = 0


def provider(table: tables.Table, asked: _Asked) -> SimulatedProvider:
    """Simulate every model of a table."""
    index = {model.id: i for i, model in enumerate(table.models)}

    def simulated(name: str, i: int) -> SimulatedModel:
        prices = table.models[i].prices
        assert prices is not None
        return SimulatedModel(
            id=name,
            quality=lambda _: float(table.quality[asked.row, i]),
            usage=lambda _: tables.usage(
                table.prompts[asked.row], table.models[i], float(table.cost_usd[asked.row, i])
            ),
            input_usd_per_m=Decimal(prices.base.input).scaleb(-6),
            output_usd_per_m=Decimal(prices.base.output).scaleb(-6),
        )

    return SimulatedProvider("table", models=[simulated(name, i) for name, i in index.items()])


def replay(table: tables.Table, weight: float, *, seed: int, prompts: int, store: str) -> Replay:
    """Route ``prompts`` rows in the seed's order, learning from each."""
    asked = _Asked()
    rows = table.order(seed, prompts)
    rewards = table.rewards(weight)
    names = [model.id for model in table.models]
    chosen: list[int] = []
    with Router(
        providers=[provider(table, asked)],
        objective=Objective(cost=weight, cost_ref_usd=f"{table.cost_ref_usd:.9f}"),
        policy=Learned(explore_floor=0),
        store=store,
        seed=seed,
    ) as router:
        for row in rows.tolist():
            asked.row = row
            messages = [{"role": "user", "content": table.prompts[row]}]
            answer = router.chat.completions.create(model="auto", messages=messages)
            chosen.append(names.index(answer.routing.model))
            router.feedback(answer, score=float(table.quality[row, chosen[-1]]), source="table")
        booked = router.usage.summary(by=[])[0]["cost_usd"]
    return Replay(
        reward=float(rewards[rows, chosen].mean()),
        cost_usd=float(booked) / prompts,
        quality=float(table.quality[rows, chosen].mean()),
    )


def report(name: str, *, prompts: int, seeds: int) -> None:
    """Run and print one table."""
    table = tables.load(name)
    print(f"{name}: {prompts} prompts, {seeds} seeds, complete Router")
    print("  lambda  learned  (sd)    best fixed  cheapest  random  oracle  ms/call")
    costs, values = [], []
    for weight in tables.LAMBDAS:
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            runs = [
                replay(
                    table,
                    weight,
                    seed=seed,
                    prompts=prompts,
                    store=os.path.join(folder, f"{seed}.sqlite3"),
                )
                for seed in range(seeds)
            ]
        spent_ms = (time.process_time() - started) / (seeds * prompts) * 1e3
        got = [run.reward for run in runs]
        beside = tables.fixed_choices(table, weight, prompts=prompts, seeds=seeds)
        print(
            f"  {weight:6.1f}  {np.mean(got):.4f}  {np.std(got):.4f}"
            + "".join(f"  {value:8.4f}" for value in beside)
            + f"  {spent_ms:.2f}",
            flush=True,
        )
        costs.append(float(np.mean([run.cost_usd for run in runs])))
        values.append(float(np.mean([run.quality for run in runs])))
    learned, fixed = tables.areas(table, costs, values)
    print(f"  AIQ learned {learned:.4f}, fixed models {fixed:.4f}")


if __name__ == "__main__":
    tables.main(__doc__, report)
