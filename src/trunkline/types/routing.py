"""Our records: what was asked of routing, what it decided, what happened.

Plain frozen data. Amounts shown are ``Decimal`` dollars; times are seconds; instants are UTC epoch
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from trunkline.errors import ConfigurationError

from .money import nanousd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What to want: U = quality·q - cost·c/cost_ref - latency·l/latency_ref, within hard limits.

    Attributes:
        quality: Weight of predicted quality, dimensionless.
        cost: Weight of predicted cost in units of ``cost_ref_usd``.
        latency: Weight of predicted latency in units of ``latency_ref_s``.
        cost_ref_usd: The cost that counts as 1; default the dearest arm's price of 500 + 300
            tokens, then frozen.
        latency_ref_s: The latency that counts as 1; default 10.
        min_quality: Candidates predicted below this are ruled out.
        max_cost_usd: Candidates predicted above this are ruled out.
        max_latency_s: Candidates predicted above this are ruled out.
    """

    quality: float = 1.0
    cost: float = 0.2
    latency: float = 0.0
    cost_ref_usd: Decimal | str | int | None = None
    latency_ref_s: float | None = None
    min_quality: float | None = None
    max_cost_usd: Decimal | str | int | None = None
    max_latency_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("quality", "cost", "latency", "latency_ref_s", "min_quality", "max_latency_s"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value >= 0):
                raise ConfigurationError(
                    f"Objective {name}={value!r} must be a finite number, 0 or more"
                )
        for name in ("cost_ref_usd", "max_cost_usd"):
            if (amount := getattr(self, name)) is not None and nanousd(amount, name=name) == 0:
                raise ConfigurationError(f"Objective {name} must be above 0")
        if self.latency_ref_s == 0:
            raise ConfigurationError("Objective latency_ref_s must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """Per-call options of routing; every field ``None`` inherits the Router's."""

    models: Sequence[Any] | None = None
    objective: Objective | None = None
    policy: Any = None
    fallbacks: Sequence[str] | None = None
    team: str | None = None
    user: str | None = None
    tags: Mapping[str, str] | None = None
    explore: bool | None = None
    cache: bool | None = None
    idempotent: bool | None = None
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was expected of one candidate; ranges are 90 % intervals."""

    cost_usd: Decimal | None = None
    cost_low_usd: Decimal | None = None
    cost_high_usd: Decimal | None = None
    latency_s: float | None = None
    latency_low_s: float | None = None
    latency_high_s: float | None = None
    quality: float | None = None
    quality_low: float | None = None
    quality_high: float | None = None
    quality_is_prior: bool = True
    output_tokens: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What happened."""

    cost_usd: Decimal | None = None
    latency_s: float | None = None
    first_chunk_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One exchange with one deployment.

    Attributes:
        state: ``"settled"``, ``"voided"`` (unbilled) or ``"estimated"`` (outcome unknown, charged
            by rule).
        error: Name of the error's class, ``None`` for success.
    """

    provider: str
    model: str
    state: str
    duration_s: float
    status_code: int | None = None
    error: str | None = None
    request_id: str | None = None
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model as the decision saw it; ``ruled_out`` says why it could not be chosen."""

    provider: str
    model: str
    ruled_out: str | None = None
    utility: float | None = None
    propensity_before: float = 0.0
    propensity: float = 0.0
    predicted: Prediction = field(default_factory=Prediction)

    @property
    def id(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A whole decision: ``plan`` makes one without a call, ``explain`` reads one from the log."""

    id: str | None
    requested: str
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    reason: str
    explored: bool
    propensity: float
    policy: str
    objective: Objective
    eps: float = 0.0
    at: float | None = None
    terms: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, "Mapping[str, float]"]
    )

    def to_text(self) -> str:
        """Return the decision card for a terminal: why this one, and what was against the rest."""
        from .cards import decision_text  # looks are loaded when something is shown

        return decision_text(self)

    def __repr__(self) -> str:
        from .cards import decision_line  # looks are loaded when something is shown

        return decision_line(self)

    def _repr_html_(self) -> str:
        from .cards import decision_html  # looks are loaded when something is shown

        return decision_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How one answer came about; ``response.routing``.

    Attributes:
        id: The ledger's call id, the decision's id.
        propensity: Probability with which this model was chosen, after masking, in (0, 1].
        estimated: Whether the cost is a rule's figure because the provider's usage is missing or
            not believable.
        hold: Worst case set aside before the call, in USD.
        adjusted: What was changed in the request for this provider or budget, in words.
    """

    id: str
    provider: str
    model: str
    reason: str
    predicted: Prediction
    actual: Actual
    propensity: float = 1.0
    explored: bool = False
    estimated: bool = False
    attempts: tuple[Attempt, ...] = ()
    hold: Decimal = Decimal(0)
    adjusted: tuple[str, ...] = ()
    team: str | None = None
    user: str | None = None

    def __repr__(self) -> str:
        from .cards import routing_line  # looks are loaded when something is shown

        return routing_line(self)

    def _repr_html_(self) -> str:
        from .cards import routing_html  # looks are loaded when something is shown

        return routing_html(self)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
