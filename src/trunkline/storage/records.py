"""What goes into and comes out of the ledger: plain data, no SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

EventKind = Literal["decision", "outcome", "feedback", "admin", "constant"]
HoldState = Literal["reserved", "settled", "voided", "estimated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Who calls, and for how long the hold may live.

    Attributes:
        call_id: Made before the first write; makes every write idempotent.
        now: UTC epoch seconds.
        expires_at: End of the lease.
        owner: Who holds it: boot id, pid namespace, pid, start time.
        blocks: ``router.budget()`` caps in scope: (block id, limit in nano-dollars), outermost
            first.
    """

    call_id: str
    now: float
    expires_at: float
    owner: str
    team: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    blocks: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A hold was taken.

    Attributes:
        index: Which offer.
        attempt: Number of the hold within the call, from 1.
        amount_nanousd: What is held.
        output_cap: The cap to send: set where a budget applies, else ``None``.
        lowered: Whether the cap is below the offer's, to fit.
        budgeted: Whether any budget applied to the chosen offer.
        unpriced: Whether it is held at 0 for want of a price.
        probabilities: After masking, in offer order.
        mask: Per offer, ``None`` if it fits, else why not.
        event_id: Of the decision row; 0 for a later attempt.
    """

    index: int
    attempt: int
    amount_nanousd: int
    output_cap: int | None
    lowered: bool
    budgeted: bool
    unpriced: bool
    probabilities: tuple[float, ...]
    mask: tuple[str | None, ...]
    event_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotGranted:
    """Nothing fits; the figures are those of the budget most in the way."""

    scope: str
    per: str
    limit_nanousd: int
    spent_nanousd: int
    held_nanousd: int
    needed_nanousd: int | None
    resets_at: float | None
    mask: tuple[str | None, ...]
    unpriced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one attempt ended.

    Attributes:
        state: Where its hold goes.
        cost_nanousd: What it cost, or is charged by rule; 0 for voided.
        prompt_tokens: As reported; 0 where unknown, like the figures below.
        duration_s: Wall time of the attempt.
        ok: Whether an answer reached the caller.
        x: The decision's features, so that the outcome row stands alone for the fold.
        body: Everything else the event log keeps.
    """

    state: Literal["settled", "voided", "estimated"]
    cost_nanousd: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    duration_s: float = 0.0
    ok: bool = True
    x: bytes | None = None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a settle did; ``moved`` is false when the hold had ended already."""

    moved: bool
    event_id: int = 0
    overrun: bool = False


class EventRow(NamedTuple):
    """One row of the event log, as the fold reads it."""

    id: int
    call_id: str
    kind: EventKind
    at: float
    x: bytes | None
    body: dict[str, Any]
