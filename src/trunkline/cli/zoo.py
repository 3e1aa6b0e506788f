"""The demo's zoo: five invented models, none of them best at everything, and what each would do.

Decides how good, long, slow and dear a simulated answer is. Quality here is a figure somebody wrote
down, so it shows how routing learns, and says nothing about real models. ``expected`` is the same
arithmetic without noise and without a call: what the table compares with.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from trunkline.providers import SimulatedProvider
from trunkline.providers.simulated import SimulatedModel
from trunkline.types.routing import Objective

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .prompts import Prompt

NAME = "zoo"
# The dearest model's 500 + 300 tokens count as cost 1; ten seconds as latency 1.
OBJECTIVE = Objective(quality=1.0, cost=0.5, latency=0.1, cost_ref_usd="0.006", latency_ref_s=10.0)
_COST_REF_NANOUSD = 6_000_000
_LATENCY_REF_S = 10.0
_NOISE = 0.15  # half the width of the noise on what feedback reports
_SPREAD = 0.10  # how much prompts of one kind differ
_ANSWER_TOKENS = {
    "maths": 160,
    "code": 260,
    "summary": 90,
    "translation": 40,
    "chat": 120,
    "extraction": 70,
}


@dataclass(frozen=True, slots=True)
class Species:
    """One invented model.

    Attributes:
        strengths: Mean quality by kind of prompt.
        input_usd_per_m: Whole or decimal dollars, as text.
        seconds: Until the first token.
        tokens_per_s: Speed after it.
        wordiness: Length of its answers beside the usual.
        error_rate: Share of calls it fails.
    """

    id: str
    strengths: Mapping[str, float]
    input_usd_per_m: str
    output_usd_per_m: str
    seconds: float
    tokens_per_s: float
    wordiness: float = 1.0
    error_rate: float = 0.01


def _strengths(*values: float) -> dict[str, float]:
    return dict(zip(_ANSWER_TOKENS, values, strict=True))


# fmt: off
SPECIES = (
    #                             maths code  summ. transl. chat  extr.     in     out  first  t/s
    Species("elephant", _strengths(0.76, 0.76, 0.76, 0.76, 0.76, 0.76), "3", "15", 1.2, 60, 1.2),
    Species("owl", _strengths(0.96, 0.80, 0.50, 0.40, 0.45, 0.60), "0.8", "3", 2.0, 50, 1.3),
    Species("beaver", _strengths(0.60, 0.95, 0.40, 0.30, 0.30, 0.92), "0.6", "2.4", 0.9, 90),
    Species("parrot", _strengths(0.25, 0.25, 0.90, 0.95, 0.80, 0.50), "0.3", "1.2", 0.5, 120),
    Species("sparrow", _strengths(0.15, 0.15, 0.66, 0.55, 0.92, 0.50), "0.1", "0.4", 0.3, 180, 0.9,
            error_rate=0.04),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer is worth: simulated quality without noise, exact cost, simulated seconds."""

    quality: float
    cost_nanousd: int
    latency_s: float

    @property
    def value(self) -> float:
        """The objective's value."""
        wants = OBJECTIVE
        return (
            wants.quality * self.quality
            - wants.cost * self.cost_nanousd / _COST_REF_NANOUSD
            - wants.latency * self.latency_s / _LATENCY_REF_S
        )


class Zoo:
    """The species as simulated models that know which kind of prompt they are asked.

    Args:
        prompts: Everything that will be asked.
    """

    def __init__(self, prompts: Iterable[Prompt]) -> None:
        self._kinds = {prompt.text: prompt.kind for prompt in prompts}
        self._rates = {
            m.id: (m.model.prices.base.input, m.model.prices.base.output)
            for m in map(self._model, SPECIES)
            if m.model.prices is not None
        }

    def provider(self, seed: int) -> SimulatedProvider:
        """Make the provider that answers for them; no socket, no key."""
        return SimulatedProvider(NAME, models=[self._model(s) for s in SPECIES], seed=seed)

    def expected(self, species: Species, text: str) -> Figures:
        """Return what a species would do for a prompt, without asking it."""
        prompt, answer = self._usage(species, text)
        per_input, per_output = self._rates[species.id]
        pico = prompt * per_input + answer * per_output
        return Figures(
            quality=self._quality(species, text),
            cost_nanousd=-(-pico // 1000),
            latency_s=self._latency(species, text),
        )

    def _model(self, species: Species) -> SimulatedModel:
        return SimulatedModel(
            id=species.id,
            quality=lambda params: self._quality(species, _asked(params)),
            quality_noise=_NOISE,
            latency_s=lambda params: self._latency(species, _asked(params)),
            usage=lambda params: self._usage(species, _asked(params)),
            input_usd_per_m=species.input_usd_per_m,
            output_usd_per_m=species.output_usd_per_m,
            error_rate=species.error_rate,
            max_output=1024,
        )

    def _quality(self, species: Species, text: str) -> float:
        mean = species.strengths[self._kinds[text]]
        return min(1.0, mean + _SPREAD * (_share(species.id, text) - 0.5))

    def _usage(self, species: Species, text: str) -> tuple[int, int]:
        length = _ANSWER_TOKENS[self._kinds[text]] * species.wordiness
        return 4 + -(-len(text) // 4), round(length * (0.75 + 0.5 * _share("length", text)))

    def _latency(self, species: Species, text: str) -> float:
        return species.seconds + self._usage(species, text)[1] / species.tokens_per_s


def _asked(params: Mapping[str, Any]) -> str:
    return str(params["messages"][-1]["content"])


def _share(*parts: str) -> float:
    """Draw from [0, 1) by a hash, so that a prompt is as hard each time it is looked at."""
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
