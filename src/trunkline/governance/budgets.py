"""What a budget is and whether an offer fits it: pure rules, called inside the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Per = Literal["day", "week", "month", "total"]
OnExceeded = Literal["fit", "refuse", "free"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One rule: at most ``limit_nanousd`` per period in ``scope``; ``*`` as an ID means each."""

    scope: str
    per: Per
    limit_nanousd: int
    tz: str = "UTC"
    hold: str = "bound"
    on_exceeded: OnExceeded = "fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What holding one candidate would take.

    Attributes:
        provider: Provider name.
        model: The provider's model id.
        amount_nanousd: Worst case at ``output_cap``; ``None`` where no price is known.
        output_cap: Output tokens that the amount covers (per choice).
        output_pico: Worst-case pico-dollars per unit of ``output_cap`` (rate x n), to price a lower
            cap.
        cap_is_callers: The caller gave the cap, so it may not be lowered.
        is_free: Declared to cost nothing; passes when a budget is spent.
        unpriced_allowed: ``unpriced="allow"``: hold 0, flagged, also under a budget.
        price_version: Of the price table.
    """

    provider: str
    model: str
    amount_nanousd: int | None
    output_cap: int
    output_pico: int
    cap_is_callers: bool = False
    is_free: bool = False
    unpriced_allowed: bool = False
    price_version: str = ""
