"""Budgets: a cap that holds before a call is sent, for a team, a user, or a block of code."""

from trunkline import BudgetExceededError, Router
from trunkline.providers import SimulatedModel, SimulatedProvider

zoo = SimulatedProvider(
    models=[SimulatedModel("large", input_usd_per_m="2", output_usd_per_m="10", output_tokens=200)]
)


def ask(router: Router, text: str) -> None:
    # max_tokens bounds the worst case, which is what a budget must have room for.
    router.chat.completions.create(
        model="large", messages=[{"role": "user", "content": text}], max_tokens=300
    )


# In memory, so that these budgets do not stay in your own books.
with Router(providers=[zoo], store=":memory:") as router:
    # Money is text, int or Decimal: usd=0.05 would be refused, because floats are not exact.
    router.budgets.set("team:research", usd="0.05", per="month")
    router.budgets.set("user:*", usd="0.02", per="day")  # each user, a row made at first use

    research = router.with_options(team="research", user="ada")  # a cheap view
    try:
        for number in range(100):
            ask(research, f"Question {number}")
    except BudgetExceededError as refused:  # nothing was sent, nothing was billed
        print(f"refused by {refused.scope}: {refused.message}\n")

    print(router.budgets.status().to_text(), "\n")

    # A cap for one block of code, inside whatever else applies.
    with router.budget(usd="0.01") as block:
        ask(router, "Inside the block.")
        print(f"block: spent ${block.spent}, left ${block.left}")
        # Hand block.router to threads: they do not inherit the block by themselves.
        ask(block.router, "From a thread, say.")
        print(f"block: spent ${block.spent}, left ${block.left}\n")

    # The books, to the nano-dollar.
    print(router.usage.summary(by=["team", "user", "model"]).to_text())
