"""Feedback: a score finds its call in the log and is learned from, now or days later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from trunkline import _store
from trunkline.errors import FeedbackError
from trunkline.routing import rewards
from trunkline.storage import events
from trunkline.types.routing import Decision, Routing

if TYPE_CHECKING:
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._learning import Gap
    from trunkline.storage.connection import Connection


async def give(
    io: IO,
    engine: Engine,
    subject: Any,
    score: Any,
    *,
    source: Any,
    weight: float = 1.0,
    explicit: bool = True,
) -> None:
    """Record a score for a call and learn from it.

    The same source again replaces its score; an explicit score removes implicit ones.

    Args:
        io: The effects.
        engine: Whose store and learner.
        subject: A response of ours or of the ``openai`` package, a stream, or a routing id.
        score: In [0, 1].
        source: Who says so.
        weight: What it counts, beside 1 for a judgement.
        explicit: Whether somebody judged, as against a rule that guessed.

    Raises:
        FeedbackError: The score, the source or the call is not one; nothing was learned.
    """
    routing_id = routing_id_of(subject)
    rewards.check_score(score)
    rewards.check_weight(weight)
    if not isinstance(source, str) or not source or len(source) > 100:
        raise FeedbackError(f"source={source!r} must be a name of 1-100 characters")
    now = io.now()
    learner = engine.learner

    def record(connection: Connection) -> Gap:
        row = events.decision_of(connection, routing_id)
        if row is None:
            raise FeedbackError(
                f"no call {routing_id!r} in this store; feedback needs the id of an answered call "
                "(response.routing.id) and the store it was made with"
            )
        earlier = [e.body for e in events.of_call(connection, routing_id, "feedback")]
        body = rewards.feedback_body(
            earlier,
            score,
            arm=row.body["arms"][row.body["chosen"]],
            objective_key=row.body["objective_key"],
            source=source,
            weight=weight,
            explicit=explicit,
        )
        if body["rows"]:
            events.append(connection, "feedback", routing_id, now, row.x, body)
        return learner.gap(connection)

    learner.fold(await _store.write(io, engine.database, record))


def routing_id_of(subject: Any) -> str:
    """Find the routing id in what a caller has at hand.

    Raises:
        FeedbackError: There is none in it.
    """
    if isinstance(subject, str):
        return subject
    found = getattr(getattr(subject, "routing", None), "id", None) or _nested_id(subject)
    if found is None and isinstance(subject, Routing | Decision):
        found = subject.id
    if not isinstance(found, str):
        raise FeedbackError(
            f"a {type(subject).__name__} carries no routing id; pass the response, or its id: "
            "response.routing.id, and of the openai package's objects "
            "response.model_extra['trunkline']['id'] (of a stream, of its last chunk)"
        )
    return found


def _nested_id(subject: Any) -> Any:
    """Find the id in an ``openai`` response, where it lies among the fields its type lacks."""
    extra: Any = getattr(subject, "model_extra", None) or {}
    ours: Any = extra.get("trunkline")
    return cast("dict[str, Any]", ours).get("id") if isinstance(ours, dict) else None
