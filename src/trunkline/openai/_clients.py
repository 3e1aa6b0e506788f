"""``OpenAI`` and ``AsyncOpenAI``: the SDK's own classes, whose HTTP client is a Router's door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import openai

from trunkline._io.async_ import AsyncIO
from trunkline._io.blocking import BlockingIO
from trunkline._io.pool import HttpPool
from trunkline._router import AsyncRouter, Router

from ._setup import OF_A_VIEW, OF_THE_ENDPOINT, Setup
from ._transports import MARKS, AsyncTransport, Marks, Transport, checked, in_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._door import AnyRouter, Door

_MOST_RETRIES = 1_000


class _NoWebSockets:
    """Stands where the SDK looks for the address of its websockets, and says why there is none."""

    def __repr__(self) -> str:
        return (
            "websockets go to the network past every budget and are not answered in process: give "
            "websocket_base_url= if you mean it, or use openai's own client for them"
        )


_NO_WEBSOCKETS: Any = _NoWebSockets()


class OpenAI(openai.OpenAI):
    """The SDK's client, answered by a Router in this process; no socket is opened for it.

    Args:
        router: Who answers; default: one made of the other arguments, open at ``client.router``.
        **options: The SDK's arguments, with their meaning and variables, and a Router's
            (``providers``, ``models``, ``store``, ``team``, …). ``base_url``, ``http_client`` and
            what else describes OpenAI's endpoint configure the Router's OpenAI provider.

    Raises:
        openai.OpenAIError: No provider has a key, or two arguments exclude each other.
    """

    def __init__(self, *, router: AnyRouter | None = None, **options: Any) -> None:
        setup = Setup(router, options)
        transport = Transport()
        client = setup.http_client if setup.door else in_process("Client", transport, setup.own)
        super().__init__(**setup.sdks, http_client=client)
        self._kept = setup.kept
        self._door = transport.door = setup.open(self, Router, BlockingIO)
        self.websocket_base_url = self.websocket_base_url or _NO_WEBSOCKETS

    @property
    def router(self) -> Router:
        """The Router that answers: its budgets, usage, feedback."""
        return cast("Router", self._door.router)

    def copy(self, **options: Any) -> Self:
        """Return a client with other options, the SDK's or a view's (``team``, ``tags``, …)."""
        return super().copy(**_for_copy(self, "Client", Transport, BlockingIO, options))

    with_options = copy

    def _build_request(self, options: Any, **how: Any) -> Any:
        request = super()._build_request(options, **how)
        request.extensions[MARKS] = _marks(self, options)
        return request


class AsyncOpenAI(openai.AsyncOpenAI):
    """The SDK's asynchronous client, answered by a Router in this process; see ``OpenAI``."""

    def __init__(self, *, router: AnyRouter | None = None, **options: Any) -> None:
        setup = Setup(router, options)
        transport = AsyncTransport()
        client = (
            setup.http_client if setup.door else in_process("AsyncClient", transport, setup.own)
        )
        super().__init__(**setup.sdks, http_client=client)
        self._kept = setup.kept
        self._door = transport.door = setup.open(self, AsyncRouter, AsyncIO)
        self.websocket_base_url = self.websocket_base_url or _NO_WEBSOCKETS

    @property
    def router(self) -> AsyncRouter:
        """The Router that answers: its budgets, usage, feedback; all of it is awaited."""
        return cast("AsyncRouter", self._door.router)

    def copy(self, **options: Any) -> Self:
        """Return a client with other options, the SDK's or a view's (``team``, ``tags``, …)."""
        return super().copy(**_for_copy(self, "AsyncClient", AsyncTransport, AsyncIO, options))

    with_options = copy

    def _build_request(self, options: Any, **how: Any) -> Any:
        request = super()._build_request(options, **how)
        request.extensions[MARKS] = _marks(self, options)
        return request


def _marks(client: Any, options: Any) -> Marks:
    retries = options.get_max_retries(client.max_retries)
    return Marks(client, min(retries, _MOST_RETRIES))


def _for_copy(
    client: Any, kind: str, transport: type[Any], io: type[Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the SDK's arguments of a copy.

    Another view, or another way to the network, is another door to the same Router: its budgets and
    its store stay the ones that they are.
    """
    view = {name: options.pop(name) for name in OF_A_VIEW & options.keys()}
    kept: dict[str, Any] = {**client._kept, **view, **(options.pop("_extra_kwargs", None) or {})}  # noqa: SLF001  # ours
    if "router" in kept:
        _refuse_endpoint(options)
    door: Door = client._door  # noqa: SLF001  # ours
    if view:
        door = door.viewed(door.router.with_options(**view))
    own = options.pop("http_client", None)
    if own is not None:
        door = door.through(io(HttpPool(checked(own, kind))), own)
    if door is not client._door:  # noqa: SLF001  # ours
        other = transport()
        other.door = door
        options["http_client"] = in_process(kind, other, own)
    return {**options, "_extra_kwargs": kept}


def _refuse_endpoint(options: Mapping[str, Any]) -> None:
    changed = {name.removeprefix("set_") for name, value in options.items() if value is not None}
    for name in sorted(changed & {*OF_THE_ENDPOINT, "api_key"} - {"http_client"}):
        raise openai.OpenAIError(
            f"`{name}` cannot be changed for a client made with `router`: set it where the Router "
            "is made"
        )
