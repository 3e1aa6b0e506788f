"""A local function as provider: your own model, rule or cache, routed like any other."""

from collections.abc import Iterator
from typing import Any

from trunkline import Model, Router
from trunkline.providers import FunctionProvider

Messages = list[dict[str, Any]]


def shout(messages: Messages, **_: Any) -> str:
    """Answer with a text; the keywords are whatever else the caller passed."""
    return str(messages[-1]["content"]).upper()


def spell(messages: Messages, **_: Any) -> Iterator[str]:
    """Answer piece by piece: under ``stream=True`` each piece is a chunk."""
    for letter in messages[-1]["content"]:
        yield letter + " "


# A bare function is free. Prices make it take part in budgets and in the choice by cost.
local = FunctionProvider(
    {"shout": shout, "spell": spell},
    name="local",
    models=[
        Model("shout", input_usd_per_m=0, output_usd_per_m=0),
        Model("spell", input_usd_per_m="0.10", output_usd_per_m="0.40"),
    ],
)

with Router(providers=[local], store=":memory:") as router:
    hello = [{"role": "user", "content": "hello"}]

    answer = router.chat.completions.create(model="local/shout", messages=hello)
    print(answer.choices[0].message.content, "for", answer.routing.actual.cost_usd, "USD")

    with router.chat.completions.create(model="local/spell", messages=hello, stream=True) as pieces:
        text = "".join(c.choices[0].delta.content or "" for c in pieces if c.choices)
    print(text, "for", pieces.routing.actual.cost_usd, "USD")

    # Both are arms of "auto": the log, budgets and learning treat them as they treat GPT.
    print(router.plan(model="auto", messages=hello))
