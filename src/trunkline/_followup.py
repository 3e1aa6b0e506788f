"""What follows an answer once it is settled: rewards, hooks, now and then a snapshot.

None of it can fail the call; what goes wrong is logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline import _signals, _store
from trunkline._learning import SNAPSHOT
from trunkline.storage import learned

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.routing import Routing


async def answered(
    engine: Engine, io: IO, routing: Routing, answer: Callable[[], ChatCompletion | None]
) -> None:
    """Do what follows an answer, outside its transaction: rewards, hooks, a snapshot."""
    if engine.rewards and (completion := answer()) is not None:
        await _reward(engine, io, routing.id, completion)
    if engine.has_subscribers("response"):
        engine.emit("response", answer())
    if (due := engine.learner.snapshot_due()) is not None:
        try:
            await _store.write(
                io, engine.database, lambda c: learned.save_snapshot(c, SNAPSHOT, *due)
            )
        except Exception as error:  # noqa: BLE001  # a snapshot only saves time
            engine.log_failure("saving a snapshot", error)


async def _reward(engine: Engine, io: IO, routing_id: str, completion: ChatCompletion) -> None:
    """Turn an answer into signals by the registered functions; none of them fails the call."""
    for source, (fn, weight) in list(engine.rewards.items()):
        try:
            score = fn(completion)
            if score is not None:
                score = float(score) if isinstance(score, bool) else score
                await _signals.give(
                    io, engine, routing_id, score, source=source, weight=weight, explicit=False
                )
        except Exception as error:  # noqa: BLE001  # a reward never fails an answered call
            engine.log_failure(f"the reward {source!r}", error)
