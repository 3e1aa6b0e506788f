"""``trunkline demo``: a few hundred calls over the zoo, learned from, budgeted, then told.

Decides what is run and counted. ``run`` prints nothing, so that tests ask it for figures; ``show``
only prints. No provider but the zoo is ever made, whatever keys the environment holds.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from trunkline import APIError, BudgetExceededError, Router
from trunkline.display.text import plain
from trunkline.types.money import usd

from . import prompts
from .zoo import OBJECTIVE, SPECIES, Figures, Zoo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from trunkline import Decision
    from trunkline.types.routing import Routing

    from .prompts import Prompt

TEAM = "demo"
_BUDGET_AFTER = 0.9  # of the calls; the rest meets a budget
_ALLOWANCE_NANOUSD = 35_000  # per call left: enough for about half of them, on cheap models
_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One row of the comparison: means over the answered prompts."""

    name: str
    spend: Decimal
    quality: float
    latency_s: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run of the demo came to.

    Attributes:
        learned: Routing as it happened, its learning included.
        late: The same, of the second half of the answers.
        fixed: Each model alone on the same prompts; computed, never failing.
        by_model: How often routing took each.
        explored: Calls that went elsewhere to learn.
        rescued: Calls answered by a fallback after a simulated failure.
        budget: The limit set before the last tenth.
        refused: Calls that the budget stopped before anything was sent.
        refusal: What the first refused caller was told.
        failed: Calls that no model answered.
        card: A decision shortly before the budget.
    """

    learned: Side
    late: Side
    fixed: tuple[Side, ...]
    by_model: dict[str, int]
    answered: int
    explored: int
    rescued: int
    budget: Decimal
    refused: int
    refusal: str
    failed: int
    card: Decision
    store: str

    @property
    def best_fixed(self) -> Side:
        """The fixed model with the highest value."""
        return max(self.fixed, key=lambda side: side.value)


def new_store() -> str:
    """Return the path of a store that stays after the demo, in a folder for this user alone."""
    return os.path.join(tempfile.mkdtemp(prefix="trunkline-demo-"), "trunkline.sqlite3")


def run(
    *, seed: int, calls: int, store: str, step: Callable[[str], None] = lambda _: None
) -> Report:
    """Route ``calls`` prompts, give feedback on each answer, and meet a budget near the end.

    Args:
        seed: Of the prompts' order, the zoo's noise and the router's draws.
        calls: How many prompts.
        store: Path of a new store.
        step: Told the model's name, or ``"refused"`` or ``"failed"``, after each call.
    """
    asked = prompts.sample(calls, Random(seed))  # noqa: S311  # a shuffle, no secret
    zoo = Zoo(asked)
    with Router(
        providers=[zoo.provider(seed)],
        objective=OBJECTIVE,
        team=TEAM,
        store=store,
        seed=seed,
        max_retries=0,  # a simulated failure goes to the next model at once: nobody waits
    ) as router:
        return _Run(router, zoo, step).over(asked, os.path.abspath(store))


class _Run:
    """Counts while it routes."""

    def __init__(self, router: Router, zoo: Zoo, step: Callable[[str], None]) -> None:
        self._router = router
        self._zoo = zoo
        self._step = step
        self._answers: list[tuple[Prompt, Routing]] = []
        self._refusals: list[BudgetExceededError] = []
        self._failed = 0

    def over(self, asked: Sequence[Prompt], store: str) -> Report:
        """Ask everything; the budget comes before the last tenth."""
        first = round(len(asked) * _BUDGET_AFTER)
        for prompt in asked[:first]:
            self._ask(prompt)
        card = self._card()
        budget = self._set_budget(len(asked) - first)
        for prompt in asked[first:]:
            self._ask(prompt)
        return self._report(budget, card, store)

    def _ask(self, prompt: Prompt) -> None:
        try:
            answer = self._router.chat.completions.create(
                model="auto",
                messages=[{"role": "user", "content": prompt.text}],
                max_tokens=_MAX_TOKENS,
            )
        except BudgetExceededError as error:
            self._refusals.append(error)
            self._step("refused")
            return
        except APIError:
            self._failed += 1
            self._step("failed")
            return
        # The zoo says how good its answer was; a person or a test would say it in earnest.
        score = (answer.model_extra or {})["simulated_quality"]
        self._router.feedback(answer, score=score, source="simulation")
        self._answers.append((prompt, answer.routing))
        self._step(answer.routing.model)

    def _card(self) -> Decision:
        """Return the newest decision that shows what was learned, not a try."""
        routings = [routing for _, routing in reversed(self._answers)]
        shown = next((r for r in routings if not r.explored), routings[0])
        return self._router.explain(shown.id)

    def _set_budget(self, calls_left: int) -> Decimal:
        spent = sum(_cost_nanousd(routing) for _, routing in self._answers)
        limit = usd(spent + _ALLOWANCE_NANOUSD * calls_left)
        self._router.budgets.set(f"team:{TEAM}", usd=limit, per="month")
        return limit

    def _report(self, budget: Decimal, card: Decision, store: str) -> Report:
        texts = [prompt.text for prompt, _ in self._answers]
        routings = [routing for _, routing in self._answers]
        happened = [self._happened(text, r) for text, r in zip(texts, routings, strict=True)]
        return Report(
            learned=_side("learned routing", happened),
            late=_side("  its second half", happened[len(happened) // 2 :]),
            fixed=tuple(
                _side(f"always {s.id}", [self._zoo.expected(s, text) for text in texts])
                for s in SPECIES
            ),
            by_model=dict(Counter(r.model for r in routings).most_common()),
            answered=len(routings),
            explored=sum(r.explored for r in routings),
            rescued=sum(len(r.attempts) > 1 for r in routings),
            budget=budget,
            refused=len(self._refusals),
            refusal=self._refusals[0].message if self._refusals else "",
            failed=self._failed,
            card=card,
            store=store,
        )

    def _happened(self, text: str, routing: Routing) -> Figures:
        """Return what routing got: the quality without noise, cost and seconds of all attempts."""
        species = next(s for s in SPECIES if s.id == routing.model)
        return Figures(
            quality=self._zoo.expected(species, text).quality,
            cost_nanousd=_cost_nanousd(routing),
            latency_s=sum(attempt.duration_s for attempt in routing.attempts),
        )


def _cost_nanousd(routing: Routing) -> int:
    return sum(int(attempt.cost_usd.scaleb(9)) for attempt in routing.attempts)


def _side(name: str, figures: Sequence[Figures]) -> Side:
    n = max(1, len(figures))
    return Side(
        name=name,
        spend=usd(sum(f.cost_nanousd for f in figures)),
        quality=sum(f.quality for f in figures) / n,
        latency_s=sum(f.latency_s for f in figures) / n,
        value=sum(f.value for f in figures) / n,
    )


def run_with_progress(*, seed: int, calls: int, store: str, progress: bool) -> Report:
    """Run with a bar that says what is going on; ``progress=False`` runs silently."""
    bar = Progress(
        TextColumn("routing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
        disable=not progress,
    )
    with bar:
        task = bar.add_task("", total=calls)
        return run(
            seed=seed,
            calls=calls,
            store=store,
            step=lambda what: bar.update(task, advance=1, description=what),
        )


def show(report: Report, console: Console) -> None:
    """Print the comparison, what was refused, where the store lies, and one decision card."""
    console.print(_comparison(report))
    for text in _story(report):
        console.print(text, highlight=False, soft_wrap=True)
    console.print(
        "\n[bold]One decision, explained from the log (a call before the budget)[/bold]\n"
    )
    console.print(report.card.to_text(), markup=False, highlight=False, soft_wrap=True)


def _comparison(report: Report) -> Table:
    table = Table(title=f"Five simulated models, {report.answered} answered prompts", box=None)
    table.add_column("")
    for heading in ("spend USD", "quality*", "latency s*", "value"):
        table.add_column(heading, justify="right")
    fixed = sorted(report.fixed, key=lambda side: -side.value)
    for side in (report.learned, report.late, *fixed):
        table.add_row(
            side.name,
            f"{side.spend:.4f}",
            f"{side.quality:.3f}",
            f"{side.latency_s:.2f}",
            f"{side.value:.3f}",
            style="bold" if side is report.learned else None,
        )
    return table


def _story(report: Report) -> list[str]:
    wants = OBJECTIVE
    taken = ", ".join(f"{name} {count}" for name, count in report.by_model.items())
    lines = [
        "\n* simulated: written down by hand for invented models. This shows how routing learns;"
        " it measures no real model.",
        f"  value = {wants.quality:g}·quality - {wants.cost:g}·cost/${wants.cost_ref_usd}"
        f" - {wants.latency:g}·latency/{wants.latency_ref_s:g} s, per call, learning included."
        " 'always' rows are computed for the same prompts, without calls or failures.\n",
        f"Routed to      {taken} ({report.explored} of them to explore,"
        f" {report.rescued} by fallback after a simulated failure)",
        f"Budget         ${plain(report.budget)} a month for team:{TEAM}, set before the last tenth"
        f" of the calls: {report.refused} refused, nothing sent",
    ]
    if report.refusal:
        lines.append(f"               first refusal: {report.refusal}")
    if report.failed:
        lines.append(
            f"Failed         {report.failed} calls: a simulated failure, and no room for a fallback"
        )
    return [
        *lines,
        f"Database       {report.store}",
        f"               look into it: trunkline doctor --store {report.store}",
    ]
