"""Quickstart: one call, its answer, and why this model gave it.

Needs no key: the models are simulated. With OPENAI_API_KEY set, ``Router()`` is all you write.
"""

from trunkline import Router
from trunkline.providers import SimulatedModel, SimulatedProvider

# Two invented models, one good and dear, one plain and cheap (dollars per million tokens).
zoo = SimulatedProvider(
    models=[
        SimulatedModel("large", quality=0.9, input_usd_per_m="2.50", output_usd_per_m="10"),
        SimulatedModel("small", quality=0.6, input_usd_per_m="0.15", output_usd_per_m="0.60"),
    ]
)

# These books are kept in memory; leave store= out, and they are one SQLite file of yours.
with Router(providers=[zoo], store=":memory:") as router:
    # OpenAI's call, shapes and names; "auto" lets the router choose.
    answer = router.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Explain rainbows to a child."}],
    )
    print(answer.choices[0].message.content)

    # What OpenAI's answer does not tell: who was asked, why, and what it cost to the nano-dollar.
    routing = answer.routing
    print(f"asked     {routing.provider}/{routing.model} because: {routing.reason}")
    print(f"cost      ${routing.actual.cost_usd} (predicted ${routing.predicted.cost_usd})")

    # An explicit model is called as asked, never swapped.
    answer = router.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "And to a physicist?"}]
    )
    print(f"asked     {answer.routing.model}: {answer.routing.reason}")

    # Every decision stays in the log and can be explained later.
    print()
    print(router.explain(routing.id).to_text())
