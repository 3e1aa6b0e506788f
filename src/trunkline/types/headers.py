"""A routing as response headers: for whoever reads headers where others read ``routing``.

Decides the names and how a value is written. Values are printable ASCII, whatever a model is
called: any other character is percent-encoded, so a line break cannot begin a header of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trunkline.types.routing import Routing

# All that ``quote`` leaves as it is beside letters and digits: printable ASCII without "%" itself.
_PLAIN = "".join(sign for sign in map(chr, range(0x20, 0x7F)) if sign != "%")


# What is true of one connection, or of a session with it, and not of the answer.
_OF_THE_WIRE = frozenset(
    {
        *("connection", "keep-alive", "content-length", "content-encoding", "transfer-encoding"),
        *("content-type", "date", "server", "set-cookie", "alt-svc", "strict-transport-security"),
    }
)


def handed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of a provider's response headers is about the answer, such as rate limits.

    Args:
        headers: Lower-case names, free of keys.
    """
    return {name: value for name, value in headers.items() if name not in _OF_THE_WIRE}


def routing_headers(routing: Routing, *, request_id: str | None = None) -> dict[str, str]:
    """Return what a routing says as header names, in lower case, and values.

    Args:
        routing: Of an answer, or of a stream that has begun: what that costs is not known yet, so
            it is left out, and the exchange under way is counted as an attempt.
        request_id: The provider's id of the exchange under way, which the routing of a stream that
            has begun does not hold yet.

    Returns:
        ``x-request-id`` is the provider's id of the last exchange, else the routing id, so that
        there always is one; ``x-trunkline-cost-usd`` is plain decimal USD.
    """
    last = routing.attempts[-1] if routing.attempts else None
    is_over = last is not None and last.error is None
    cost = routing.actual.cost_usd if is_over else None
    said = {
        "x-trunkline-routing-id": routing.id,
        "x-trunkline-provider": routing.provider,
        "x-trunkline-model": routing.model,
        "x-trunkline-cost-usd": None if cost is None else f"{cost:f}",
        "x-trunkline-attempts": str(len(routing.attempts) + (not is_over)),
        "x-request-id": request_id or (last.request_id if last and is_over else None) or routing.id,
    }
    return {name: quote(value, safe=_PLAIN) for name, value in said.items() if value is not None}
