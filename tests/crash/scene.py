"""What the campaigns share: a model that bills to the nano-dollar, a budget, and the audit.

Importable by spawned processes, so nothing here knows pytest.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trunkline import AsyncRouter, Router
from trunkline.catalog.models import Model
from trunkline.providers import OpenAIProvider, SimulatedProvider
from trunkline.providers.simulated import SimulatedModel
from trunkline.types.money import nanousd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.server import ScriptedServer

MODEL = "sim/m"
MESSAGES = [{"role": "user", "content": "what is left of the last dollar?"}]
CAP = 40
# As many bytes as tokens, so that what a stream delivered bounds what was billed for it.
TEXT = "0123456789" * 4


def output_tokens(params: Mapping[str, Any]) -> int:
    """Between 25 and 40 tokens, told by the message: no two prices alike, all below the cap."""
    number = int(params["messages"][-1]["content"].rpartition(" ")[2])
    return 25 + number % 16


def simulated(latency_s: float = 0.001) -> SimulatedProvider:
    """A provider that takes real time and keeps its own books."""
    return _Sim("sim", models=[_model(latency_s)], real_time=latency_s > 0)


def _model(latency_s: float) -> SimulatedModel:
    return SimulatedModel(
        id="m",
        latency_s=latency_s,
        input_usd_per_m="3",
        output_usd_per_m="15.0375",
        output_tokens=output_tokens,
        text=TEXT,
    )


_Sim = SimulatedProvider


class BillingToFile(SimulatedProvider):
    """Writes each bill down at once, so that a killed process cannot take its books with it."""

    def __init__(self, path: str, latency_s: float) -> None:
        super().__init__("sim", models=[_model(latency_s)], real_time=latency_s > 0)
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def _bill(self, model: str, prompt: int, output: int) -> None:
        super()._bill(model, prompt, output)
        os.write(self._file, b"%d\n" % self._bills[-1][2])


def asking(number: int) -> dict[str, Any]:
    """The arguments of call ``number``."""
    content = f"what is left of the last dollar? {number}"
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": CAP,
    }


def local(server: ScriptedServer, **fields: Any) -> OpenAIProvider:
    """An OpenAI-compatible provider in front of a scripted server; knows the model ``m``."""
    return OpenAIProvider(
        "local",
        base_url=server.url.removesuffix("/chat"),
        api_key="k",
        models=[Model("m", input_usd_per_m="3", output_usd_per_m="15.0375")],
        **fields,
    )


def completion(text: str = "all of it", prompt: int = 12, output: int = 7) -> bytes:
    """A whole answer of OpenAI's dialect with its usage."""
    return (
        b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],"usage":'
        b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'
    ) % (text.encode(), prompt, output, prompt + output)


def event(delta: str, finish: str = "null") -> bytes:
    """One event of a stream."""
    return (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n'
    ) % (delta.encode(), finish.encode())


def usage_event(prompt: int = 12, output: int = 7) -> bytes:
    """The last event but ``[DONE]``."""
    return (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'
        b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}\n\n'
    ) % (prompt, output, prompt + output)


def events(*texts: str) -> list[bytes]:
    """The events of a whole stream that says ``texts``."""
    return [
        event('{"role":"assistant","content":""}'),
        *(event('{"content":"' + text + '"}') for text in texts),
        event("{}", '"stop"'),
        usage_event(),
        b"data: [DONE]\n\n",
    ]


@dataclass(frozen=True)
class Audit:
    """The books after a campaign, in nano-dollars."""

    limit: int
    spent: int
    held: int
    open_holds: int
    states: dict[str, int]
    calls: int
    findings: list[str]

    @property
    def left(self) -> int:
        return self.limit - self.spent - self.held


def audit(router: Router) -> Audit:
    """Read the books and check them against their rows."""
    status = router.budgets.status()[0]
    records = router.usage.records(limit=100_000)
    states: dict[str, int] = {}
    for record in records:
        states[record.state] = states.get(record.state, 0) + 1
    spent = nanousd(status.spent)
    assert sum(nanousd(record.cost_usd) for record in records) == spent
    return Audit(
        limit=nanousd(status.limit),
        spent=spent,
        held=nanousd(status.held),
        open_holds=len(router.budgets.holds()),
        states=states,
        calls=len(records),
        findings=patiently(router._engine.database.check),
    )


def patiently(step: Any, within_s: float = 5.0) -> Any:
    """Run one try of a store call until it is not busy."""
    from trunkline.storage.database import Busy

    until = time.monotonic() + within_s
    while True:
        try:
            return step()
        except Busy:
            if time.monotonic() > until:
                raise
            time.sleep(0.002)


def reservation(path: str) -> int:
    """What one call of ``asking`` holds, in nano-dollars."""
    with Router(providers=[simulated(0)], store=path + "-probe") as router:
        return nanousd(router.chat.completions.create(**asking(0)).routing.hold)


def router_on(path: str, provider: Any, **fields: Any) -> Router:
    return Router(providers=[provider], store=path, **fields)


def async_router_on(path: str, provider: Any, **fields: Any) -> AsyncRouter:
    return AsyncRouter(providers=[provider], store=path, **fields)
