"""What was learned: a fold of committed event rows, and nothing else.

Decides what each kind of row adds to the learned state. Does not read the log (the caller hands
rows over in id order) and does not choose.

Two parts. Sums of quantised rows are exact in float64, so late feedback and corrections are
additions and order does not matter to them. Everything that depends on order (ends of intervals,
counts of calls without a signal) is folded strictly by id. Folding the same rows gives equal bytes.
"""

from __future__ import annotations

import json
import struct
from math import isfinite, log, sqrt
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .features import FEATURE_VERSION, X_BYTES, D, decode
from .intervals import Offsets
from .model import Head
from .rewards import quantised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trunkline.storage.records import EventRow

    from .predictions import Lineup

    FloatArray = NDArray[np.float64]

STATE_VERSION = 1
DEFAULT_QUALITY = 0.6
_REG, _RHO = 20.0, 4.0
_OUTCOME_REG, _OUTCOME_RHO = 5.0, 4.0
_LOG_TOKENS, _LOG_SECONDS = log(300), log(3)  # before any outcome
_CENSORED = 0.25  # an answer cut at the cap says only "at least so long"
_NOISE_VARIANCE, _NOISE_WEIGHT = 0.1, 8.0  # of a score, until scores say otherwise
_TARGET_GRID = 1024
_MAX_LOG = 40.0
_MAGIC = b"TLLS"
_HEADER = struct.Struct("<4sII")
_UPPER = np.triu_indices(D)


class LearnedState:
    """Everything the policies know from the log, up to and with event ``cursor``.

    Attributes:
        cursor: Id of the last event folded; 0 before the first.
        arms: Arm id to its row in the heads.
        priors: Arm id to its frozen prior quality.
        cost_refs: Objective key to its frozen reference cost in nano-dollars.
        signals: Objective key to the quality signals seen under it.
        idle: Routed calls since the last quality signal.
        lineup: What ``predictions`` keeps of the last candidates; no part of the state.
    """

    def __init__(self) -> None:
        self.cursor = 0
        self.arms: dict[str, int] = {}
        self.priors: dict[str, float] = {}
        self.cost_refs: dict[str, int] = {}
        self.signals: dict[str, int] = {}
        self.idle = 0
        self.lineup: Lineup | None = None
        self.hyper: dict[str, float] = {}
        self.quality = Head((DEFAULT_QUALITY,), reg=_REG, rho=_RHO)
        self.outcome = Head((_LOG_TOKENS, _LOG_SECONDS), reg=_OUTCOME_REG, rho=_OUTCOME_RHO)
        self.quality_ends = Offsets((1.6,))
        self.outcome_ends = Offsets((1.2, 1.2))
        # Tokens reported and estimated, per row; the last row sums all arms.
        self.inputs: FloatArray = np.zeros((1, 2))
        self.scored: FloatArray = np.zeros(1)
        self.noise: FloatArray = np.zeros(2)  # squared residuals of scores, and their number

    @property
    def total_signals(self) -> int:
        """Quality signals seen under any objective."""
        return sum(self.signals.values())

    @property
    def noise_sd(self) -> float:
        """Standard deviation of single scores around their prediction."""
        squared, n = self.noise.tolist()
        return sqrt((squared + _NOISE_WEIGHT * _NOISE_VARIANCE) / (n + _NOISE_WEIGHT))

    def fold(self, event: EventRow) -> None:
        """Fold the next committed row.

        A row of unknown kind, of another feature version or without what its kind must have teaches
        nothing: it moves the cursor and is passed over, by every process alike.

        Raises:
            ValueError: The row is not after the cursor; nothing was folded.
        """
        if event.id <= self.cursor:
            raise ValueError(f"event {event.id} is not after the cursor {self.cursor}")
        self.cursor = event.id
        body = event.body
        if event.kind == "decision":
            self.idle += len(body.get("arms", ())) > 1
        elif event.kind == "constant":
            self._fold_constant(body)
        elif event.x is not None and len(event.x) == X_BYTES and _is_ours(body):
            if event.kind == "outcome":
                self._fold_outcome(body["arm"], decode(event.x), body)
            elif event.kind == "feedback":
                self._fold_feedback(body["arm"], decode(event.x), body)

    def _fold_outcome(self, arm: str, x: FloatArray, body: Mapping[str, Any]) -> None:
        tokens, seconds = _positive(body, "completion_tokens"), _positive(body, "duration_s")
        if not (body.get("ok") and body.get("state") == "settled" and tokens and seconds):
            return
        row = self._row(arm)
        y = (_grid(log(tokens)), _grid(log(seconds)))
        cut = body.get("finish_reason") == "length"
        if not cut:
            residuals = np.array(y) - self.outcome.mean(row, x)
            self.outcome_ends.observe(row, residuals.tolist())
        self.outcome.add(row, x, y, _CENSORED if cut else 1.0)
        reported, estimated = _positive(body, "prompt_tokens"), _positive(body, "in_est")
        if reported and estimated:
            for at in (row, -1):
                self.inputs[at, 0] += round(reported)
                self.inputs[at, 1] += round(estimated)

    def _fold_feedback(self, arm: str, x: FloatArray, body: Mapping[str, Any]) -> None:
        changes = _changes(body.get("rows"))
        if not changes:
            return
        row = self._row(arm)
        if [sign for _, _, sign in changes] == [1]:
            # A replaced score is no second sight of the arm, so it moves no range.
            residual = changes[0][0] - float(self.quality.mean(row, x)[0])
            spread = self.noise_sd * sqrt(1.0 + self.quality.variance(row, x))
            self.quality_ends.observe(row, (residual / spread,))
            self.noise += (residual**2, 1.0)
        for y, weight, sign in changes:
            self.quality.add(row, x, (y,), weight * sign)
        net = sum(sign for _, _, sign in changes)
        self.scored[row] += net
        self.scored[-1] += net
        key = str(body.get("objective_key"))
        self.signals[key] = self.signals.get(key, 0) + net
        self.idle = 0

    def _fold_constant(self, body: Mapping[str, Any]) -> None:
        self.lineup = None
        name, value = body.get("name"), body.get("value")
        if name == "hyper":
            self._set_hyper(body)
        elif not isinstance(value, int | float) or not isfinite(value):
            return
        elif name == "cost_ref":
            self.cost_refs[str(body.get("objective_key"))] = int(value)
        elif name == "prior":
            arm = str(body.get("arm"))
            self.priors[arm] = float(value)
            if arm in self.arms:
                self.quality.set_prior(self.arms[arm], (float(value),))

    def _set_hyper(self, body: Mapping[str, Any]) -> None:
        for name in ("reg", "rho"):
            if value := _positive(body, name):
                self.hyper[name] = value
        self.quality.set_shrinkage(reg=self.hyper.get("reg", _REG), rho=self.hyper.get("rho", _RHO))

    def _row(self, arm: str) -> int:
        row = self.arms.get(arm)
        if row is None:
            self.lineup = None
            row = self.arms[arm] = len(self.arms)
            prior = self.priors.get(arm)
            self.quality.add_arm(None if prior is None else (prior,))
            self.outcome.add_arm()
            self.quality_ends.add_arm()
            self.outcome_ends.add_arm()
            self.inputs = np.insert(self.inputs, row, 0.0, axis=0)
            self.scored = np.insert(self.scored, row, 0.0)
        return row

    def to_bytes(self) -> bytes:
        """Return the state as bytes; equal states give equal bytes."""
        head = {
            "feature_version": FEATURE_VERSION,
            "cursor": self.cursor,
            "arms": list(self.arms),
            "priors": self.priors,
            "cost_refs": self.cost_refs,
            "signals": self.signals,
            "idle": self.idle,
            "hyper": self.hyper,
        }
        text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
        packed = b"".join(np.asarray(a, dtype="<f8").tobytes() for a in self._arrays())
        return _HEADER.pack(_MAGIC, STATE_VERSION, len(text)) + text + packed

    @classmethod
    def from_bytes(cls, blob: bytes) -> LearnedState:
        """Read what ``to_bytes`` wrote.

        Raises:
            ValueError: Another state or feature version, or bytes that are no state; fold the log
                from its start instead.
        """
        state = cls()
        head, numbers = _parse(blob)
        state.cursor, state.idle = int(head["cursor"]), int(head["idle"])
        state.priors, state.cost_refs = dict(head["priors"]), dict(head["cost_refs"])
        state.signals = dict(head["signals"])
        state._set_hyper(head["hyper"])
        for arm in head["arms"]:
            state._row(arm)
        arrays = state._arrays()
        if sum(a.size for a in arrays) != len(numbers):
            raise ValueError("the snapshot is cut short or too long")
        parts = np.split(numbers, np.cumsum([a.size for a in arrays])[:-1])
        shaped = [part.reshape(a.shape) for part, a in zip(parts, arrays, strict=True)]
        state._restore(shaped)
        return state

    def _arrays(self) -> list[FloatArray]:
        """Everything numeric in one order; of the symmetric sums the upper half."""
        i, j = _UPPER
        return [
            self.quality.sums_xx[:, i, j],
            self.outcome.sums_xx[:, i, j],
            self.quality.sums_xy,
            self.outcome.sums_xy,
            self.quality_ends.ends,
            self.quality_ends.seen,
            self.outcome_ends.ends,
            self.outcome_ends.seen,
            self.inputs,
            self.scored,
            self.noise,
        ]

    def _restore(self, arrays: list[FloatArray]) -> None:
        for head, upper in zip((self.quality, self.outcome), arrays[:2], strict=True):
            i, j = _UPPER
            head.sums_xx[:, i, j] = upper
            head.sums_xx[:, j, i] = upper
        for target, source in zip(self._arrays()[2:], arrays[2:], strict=True):
            target[...] = source


def _parse(blob: bytes) -> tuple[dict[str, Any], FloatArray]:
    try:
        magic, version, length = _HEADER.unpack_from(blob)
        body = blob[_HEADER.size :]
        head = json.loads(body[:length])
        numbers = np.frombuffer(body[length:], dtype="<f8").astype(np.float64)
    except (struct.error, ValueError) as error:
        raise ValueError("the snapshot is no learned state") from error
    if (magic, version, head.get("feature_version")) != (_MAGIC, STATE_VERSION, FEATURE_VERSION):
        raise ValueError("the snapshot is of another version")
    return head, numbers


def _is_ours(body: Mapping[str, Any]) -> bool:
    return body.get("fv") == FEATURE_VERSION and isinstance(body.get("arm"), str)


def _changes(rows: object) -> list[tuple[float, float, int]]:
    """Read the signed rows of a feedback event; none where any of them is malformed."""
    changes: list[tuple[float, float, int]] = []
    for row in cast("list[object]", rows) if isinstance(rows, list) else ():
        numbers = cast("list[object]", row) if isinstance(row, list) else []
        finite = [float(n) for n in numbers if isinstance(n, int | float) and isfinite(n)]
        if len(finite) != 3 or len(numbers) != 3:
            return []
        changes.append((*quantised(finite[0], finite[1]), 1 if finite[2] > 0 else -1))
    return changes


def _positive(body: Mapping[str, Any], name: str) -> float:
    """Return a finite number above 0, else 0."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return 0.0
    return max(float(value), 0.0)


def _grid(y: float) -> float:
    return round(min(max(y, -_MAX_LOG), _MAX_LOG) * _TARGET_GRID) / _TARGET_GRID
