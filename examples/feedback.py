"""Feedback: tell the router how good answers were, and watch it change its mind."""

from collections.abc import Callable, Mapping
from typing import Any

from trunkline import Objective, Router
from trunkline.providers import SimulatedModel, SimulatedProvider


# "poet" writes well and cannot count; "abacus" counts and cannot write. Nobody told the router.
def talent(kind: str) -> dict[str, float]:
    return {"poet": {"verse": 0.9, "sums": 0.2}, "abacus": {"verse": 0.2, "sums": 0.9}}[kind]


def quality(model: str) -> Callable[[Mapping[str, Any]], float]:
    """Grade as the simulation does: by the kind of question that was asked."""
    return lambda params: talent(model)["sums" if "+" in str(params["messages"]) else "verse"]


zoo = SimulatedProvider(
    models=[
        SimulatedModel(name, quality=quality(name), input_usd_per_m="1", output_usd_per_m="4")
        for name in ("poet", "abacus")
    ]
)

with Router(
    providers=[zoo], store=":memory:", objective=Objective(quality=1, cost=0.1), seed=7
) as router:
    chosen: dict[str, list[str]] = {"sums": [], "verse": []}
    for number in range(120):
        kind, text = (
            ("sums", f"What is {number} + {number * 7}?")
            if number % 2
            else ("verse", "Write me a soft and sad line about the sea at night, please")
        )
        answer = router.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": text}]
        )
        chosen[kind].append(answer.routing.model)
        # In earnest the score comes from a person, a test, or an evaluation: now or days later.
        score = (answer.model_extra or {})["simulated_quality"]
        router.feedback(answer, score=score, source="grader")

    for kind, models in chosen.items():
        first, last = models[:15], models[-15:]
        right = "abacus" if kind == "sums" else "poet"
        print(
            f"{kind:5}  asked {right}: {first.count(right)} of the first 15,"
            f" {last.count(right)} of the last 15"
        )

    # Signals can also be computed from every answer, at a lower weight than a judgement.
    router.rewards.add("not_empty", lambda completion: bool(completion.choices[0].message.content))

    # What would be chosen now, and why? No call, no cost.
    question = [{"role": "user", "content": "What is 20 + 22?"}]
    print(router.plan(model="auto", messages=question).to_text())
