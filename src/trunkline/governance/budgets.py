"""What a budget is and whether an offer fits it: pure rules, called inside the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Per = Literal["day", "week", "month", "total"]
OnExceeded = Literal["fit", "refuse", "free"]
MIN_OUTPUT_CAP = 256
_NO_LIMIT = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One rule: at most ``limit_nanousd`` per period in ``scope``; ``*`` as an ID means each."""

    scope: str
    per: Per
    limit_nanousd: int
    tz: str = "UTC"
    hold: str = "bound"
    on_exceeded: OnExceeded = "fit"


class Offer(NamedTuple):
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
        entry: The catalogue's id of the model, under which it is counted too; ``None`` without one.
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
    entry: str | None = None


class Room(NamedTuple):
    """What one budget has left in one period, for one call."""

    id: int
    scope: str
    per: str
    limit: int
    spent: int
    held: int
    on_exceeded: OnExceeded
    resets_at: float | None

    @property
    def left(self) -> int:
        """Nano-dollars; below 0 after an overrun."""
        return self.limit - self.spent - self.held


class Admitted(NamedTuple):
    """One offer was drawn and fits."""

    chosen: int
    amount: int
    output_cap: int | None
    lowered: bool
    unpriced: bool
    probabilities: tuple[float, ...]
    mask: tuple[str | None, ...]


class Denied(NamedTuple):
    """Nothing fits; ``room`` is the one most in the way, ``needed`` the smallest worst case."""

    room: Room
    needed: int | None
    mask: tuple[str | None, ...]
    unpriced: bool


Draw = Callable[
    [Sequence[float], Sequence[int], Sequence[bool], float], tuple[int, tuple[float, ...]]
]


class Lottery(NamedTuple):
    """The policy's distribution over the offers and the uniform that decides."""

    probabilities: Sequence[float]
    ranking: Sequence[int]
    u: float
    draw: Draw

    def among(self, fits: Sequence[bool]) -> tuple[int, tuple[float, ...]]:
        """Draw one of those that fit."""
        return self.draw(self.probabilities, self.ranking, fits, self.u)


def admit(
    offers: Sequence[Offer], rooms: Sequence[tuple[Room, ...]], lottery: Lottery
) -> Admitted | Denied:
    """Mask what does not fit, draw, lower the cap where that is all that helps, or deny.

    Args:
        offers: The candidates.
        rooms: The budgets that count each offer; equal tuples are best the same object.
        lottery: How to choose among those that fit.
    """
    gates = _gates(rooms)
    mask = tuple([gate.against(offer) for offer, gate in zip(offers, gates, strict=True)])
    lowered = None not in mask
    if lowered:
        fits = [gate.lowered_cap(o) > 0 for o, gate in zip(offers, gates, strict=True)]
        if True not in fits:
            return _denied(offers, gates, mask)
    else:
        fits = [reason is None for reason in mask]
    index, probabilities = lottery.among(fits)
    offer, gate = offers[index], gates[index]
    if (room := gate.refusal(offer)) is not None:
        return Denied(room, offer.amount_nanousd, mask, unpriced=False)
    cap = gate.lowered_cap(offer) if lowered else offer.output_cap
    return Admitted(
        chosen=index,
        amount=amount_at(offer, cap) if lowered else offer.amount_nanousd or 0,
        output_cap=cap if gate.rooms else None,
        lowered=lowered,
        unpriced=offer.amount_nanousd is None and not offer.is_free,
        probabilities=probabilities,
        mask=mask,
    )


def amount_at(offer: Offer, cap: int) -> int:
    """Return an upper bound of the worst case at a lower cap: what is saved is rounded down."""
    assert offer.amount_nanousd is not None  # noqa: S101  # asked of priced offers only
    return offer.amount_nanousd - (offer.output_cap - cap) * offer.output_pico // 1000


class _Gate:
    """The tightest of one group of rooms, by what their rules let happen.

    Attributes:
        masking: Of the "fit" and "free" ones: what does not fit it is not drawn.
        refusing: Of the "refuse" ones: if what was drawn does not fit it, the call is refused.
        free: Of the "free" ones: where it is in the way, no lower cap helps, only a free model.
    """

    __slots__ = ("free", "masking", "masking_left", "refusing", "rooms")

    def __init__(self, rooms: tuple[Room, ...]) -> None:
        self.rooms = rooms
        self.masking = self.refusing = self.free = None
        for room in sorted(rooms, key=_left, reverse=True):
            if room.on_exceeded == "refuse":
                self.refusing = room
                continue
            self.masking = room
            if room.on_exceeded == "free":
                self.free = room
        self.masking_left = _NO_LIMIT if self.masking is None else self.masking.left

    def against(self, offer: Offer) -> str | None:
        """Say why the offer may not be drawn, ``None`` if it may."""
        amount = offer.amount_nanousd
        if amount is not None and amount <= self.masking_left:
            return None
        if offer.is_free or not self.rooms:
            return None
        if amount is None:
            return None if offer.unpriced_allowed else "no price"
        assert self.masking is not None  # noqa: S101  # without one, every amount is below the limit
        return f"does not fit the budget {self.masking.scope} per {self.masking.per}"

    def refusal(self, offer: Offer) -> Room | None:
        """Return the "refuse" room that the drawn offer, at its full cap, does not fit."""
        if offer.is_free or offer.amount_nanousd is None or self.refusing is None:
            return None
        return self.refusing if offer.amount_nanousd > self.refusing.left else None

    def lowered_cap(self, offer: Offer) -> int:
        """Return the highest cap at which a masked offer fits, 0 if none of at least 256 does."""
        if not self._can_lower(offer) or offer.amount_nanousd is None:
            return 0
        excess = offer.amount_nanousd - self.masking_left
        cap = offer.output_cap + (-excess * 1000) // offer.output_pico  # rounded to save enough
        return cap if cap >= MIN_OUTPUT_CAP else 0

    def smallest(self, offer: Offer) -> int | None:
        """Return the least that the offer can be held at here."""
        if self._can_lower(offer) and offer.output_cap > MIN_OUTPUT_CAP:
            return amount_at(offer, MIN_OUTPUT_CAP)
        return offer.amount_nanousd

    def _can_lower(self, offer: Offer) -> bool:
        if offer.cap_is_callers or offer.output_pico <= 0 or offer.amount_nanousd is None:
            return False
        return self.free is None or offer.amount_nanousd <= self.free.left


def _gates(rooms: Sequence[tuple[Room, ...]]) -> list[_Gate]:
    made: dict[int, _Gate] = {}
    for group in rooms:
        if id(group) not in made:
            made[id(group)] = _Gate(group)
    return [made[id(group)] for group in rooms]


def _left(room: Room) -> int:
    return room.left


def _denied(
    offers: Sequence[Offer], gates: Sequence[_Gate], mask: tuple[str | None, ...]
) -> Denied:
    """Choose the figures: of the offer that needs least, the budget that has least left."""
    priced = [
        (needed, i)
        for i, (offer, gate) in enumerate(zip(offers, gates, strict=True))
        if (needed := gate.smallest(offer)) is not None
    ]
    needed, i = min(priced, default=(None, 0))
    gate = gates[i]
    room = gate.masking or gate.refusing
    assert room is not None  # noqa: S101  # an offer without rooms is never masked
    return Denied(room, needed, mask, unpriced=not priced)
