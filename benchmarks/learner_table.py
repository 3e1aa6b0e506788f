"""Drive ``Learned`` over a table without a Router: the learner alone, in seconds.

    python -m benchmarks.learner_table mixed9 graded4 --prompts 3000 --seeds 5

Only the chosen model's outcome is seen; feedback on every call. Prints mean reward beside the best
fixed model in hindsight, the cheapest, a random and an all-knowing choice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import tables
from trunkline.policies import ArmInfo, Context, Learned, Policy
from trunkline.routing.constants import objective_key, price_priors
from trunkline.routing.distribution import draw
from trunkline.routing.features import FEATURE_VERSION, decode, encode
from trunkline.routing.rewards import feedback_body
from trunkline.routing.state import LearnedState
from trunkline.storage.records import EventRow
from trunkline.types.routing import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS_PER_TOKEN = 0.01  # the tables know no latency


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a policy over a table gave.

    Attributes:
        chosen: Model index per call.
        rows: Table row per call.
        covered: Share of calls whose cost fell within its predicted 90 % range.
        error: Median relative error of the predicted cost.
    """

    chosen: np.ndarray[tuple[int], np.dtype[np.int64]]
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    covered: float
    error: float


def run(
    table: tables.Table,
    encoded: Sequence[bytes],
    weight: float,
    *,
    seed: int,
    prompts: int,
    policy: Policy | None = None,
) -> Run:
    """Route ``prompts`` rows in the seed's order and learn from each."""
    policy = policy or Learned(explore_floor=0)
    candidates = [ArmInfo(f"table/{m.id}", m.prices) for m in table.models]
    objective = Objective(cost=weight)
    key = objective_key(objective)
    state = LearnedState()
    log = _Log(state)
    for arm, value in price_priors(candidates, {}).items():
        log.fold("constant", None, {"name": "prior", "arm": arm, "value": value})
    uniform = np.random.Generator(np.random.Philox(seed))
    rows = table.order(seed, prompts)
    fits = [True] * len(candidates)
    chosen, covered, errors = [], [], []
    for row in rows.tolist():
        prompt, x = table.prompts[row], encoded[row]
        context = Context(
            x=decode(x),
            objective=objective,
            cost_ref_nanousd=round(table.cost_ref_usd * 1e9),
            latency_ref_s=10.0,
            input_tokens=len(prompt) / 4,
        )
        proposal = policy.propose(context, candidates, state)
        i, _ = draw(proposal.probabilities, proposal.ranking, fits, float(uniform.random()))
        arm, cost = candidates[i].arm, float(table.cost_usd[row, i])
        tokens_in, tokens_out = tables.usage(prompt, table.models[i], cost)
        log.fold("decision", x, {"arms": [a.arm for a in candidates]})
        outcome = {
            "fv": FEATURE_VERSION,
            "arm": arm,
            "state": "settled",
            "ok": True,
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "in_est": context.input_tokens,
            "duration_s": tokens_out * _SECONDS_PER_TOKEN,
        }
        log.fold("outcome", x, outcome)
        score = float(table.quality[row, i])
        body = feedback_body([], score, arm=arm, objective_key=key, source="table")
        log.fold("feedback", x, body)
        chosen.append(i)
        p = proposal.predictions
        covered.append(p.cost_low_nanousd[i] <= cost * 1e9 <= p.cost_high_nanousd[i])
        errors.append(abs(p.cost_nanousd[i] / (cost * 1e9) - 1))
    return Run(np.array(chosen), rows, float(np.mean(covered)), float(np.median(errors)))


class _Log:
    """Numbers the rows as the store would."""

    def __init__(self, state: LearnedState) -> None:
        self.state, self.id = state, 0

    def fold(self, kind: Any, x: bytes | None, body: dict[str, Any]) -> None:
        self.id += 1
        self.state.fold(EventRow(self.id, str(self.id), kind, 0.0, x, body))


def encode_all(table: tables.Table) -> list[bytes]:
    """Encode every prompt once."""
    return [encode({"messages": [{"role": "user", "content": p}]}) for p in table.prompts]


def report(name: str, *, prompts: int, seeds: int) -> None:
    """Run and print one table."""
    table = tables.load(name)
    encoded = encode_all(table)
    print(f"{name}: {prompts} prompts, {seeds} seeds")
    print(
        "  lambda  learned  (sd)    best fixed  cheapest  random  oracle  cover  cost err  us/call"
    )
    costs, values = [], []
    for weight in tables.LAMBDAS:
        started = time.process_time()
        runs = [run(table, encoded, weight, seed=s, prompts=prompts) for s in range(seeds)]
        spent = (time.process_time() - started) / (seeds * prompts) * 1e6
        rewards = table.rewards(weight)
        got = [float(rewards[r.rows, r.chosen].mean()) for r in runs]
        columns = tables.fixed_choices(table, weight, prompts=prompts, seeds=seeds)
        print(
            f"  {weight:6.1f}  {np.mean(got):.4f}  {np.std(got):.4f}"
            + "".join(f"  {c:8.4f}" for c in columns)
            + f"  {np.mean([r.covered for r in runs]):.3f}"
            + f"  {np.mean([r.error for r in runs]):.3f}  {spent:.0f}"
        )
        costs.append(float(np.mean([table.cost_usd[r.rows, r.chosen].mean() for r in runs])))
        values.append(float(np.mean([table.quality[r.rows, r.chosen].mean() for r in runs])))
    learned, fixed = tables.areas(table, costs, values)
    print(f"  AIQ learned {learned:.4f}, fixed models {fixed:.4f}")


if __name__ == "__main__":
    tables.main(__doc__, report)
