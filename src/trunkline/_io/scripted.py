"""Answers without a socket: drives the generator that a provider's ``transport`` returns.

``Wait`` moves the call's own clock or sleeps, ``Invoke`` runs a function, ``Head`` and bytes are
the answer. The limits of the exchange hold here as they do on a wire.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from trunkline.errors import APIConnectionError, APITimeoutError, TrunklineError
from trunkline.providers.base import Head, Invoke, Wait

from .limits import LimitPassedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from .limits import Limits

    Script = Generator[Head | Wait | Invoke | bytes, Any, None]
    RunInvoke = Callable[[Invoke, Limits], Awaitable[Any]]
    Sleep = Callable[[float], Awaitable[None]]


async def open_scripted(
    script: Script, limits: Limits, invoke: RunInvoke, sleep: Sleep
) -> ScriptedSource:
    """Drive ``script`` up to its ``Head``."""
    source = ScriptedSource(script, limits, invoke, sleep)
    try:
        await source.start()
    except BaseException:
        source.abort()
        raise
    return source


class ScriptedSource:
    """The answer of a transport; a ``ByteSource``.

    Attributes:
        status: HTTP status.
        headers: Lower-case names.
        elapsed_extra_s: Simulated seconds so far.
    """

    def __init__(self, script: Script, limits: Limits, invoke: RunInvoke, sleep: Sleep) -> None:
        self._script: Script | None = script
        self._limits = limits
        self._read_s = limits.read_s
        self._invoke = invoke
        self._sleep = sleep
        self._ahead: bytes = b""
        self._was_cut = False
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.elapsed_extra_s = 0.0

    async def start(self) -> None:
        """Go on to the ``Head``."""
        limits = self._limits
        limits.sent = True  # a function may have been billed for before it fails
        step = await self._step()
        if not isinstance(step, Head):
            raise APIConnectionError("the transport gave no status before its answer")
        self.status = step.status
        self.headers = {name.lower(): value for name, value in step.headers.items()}

    async def read(self, *, idle_s: float | None = None) -> bytes:
        """Return the next bytes, ``b""`` at the end; see ``ByteSource``."""
        if self._was_cut:
            raise APIConnectionError("the answer was closed")
        self._limits.read_s = self._read_s if idle_s is None else idle_s
        try:
            step = await self._step()
        except BaseException:
            self.abort()
            raise
        if isinstance(step, Head):
            self.abort()
            raise APIConnectionError("the transport gave a second status")
        return step

    async def _step(self) -> Head | bytes:
        """Run the script up to its next piece, ``b""`` at its end."""
        script = self._script
        if script is None:
            return b""
        waited_s = 0.0
        result: Any = None
        failure: Exception | None = None
        try:
            while True:
                step = script.send(result) if failure is None else script.throw(failure)
                result = failure = None
                if isinstance(step, Wait):
                    waited_s = await self._wait(step, waited_s)
                elif isinstance(step, Invoke):
                    try:
                        result = await self._run(step)
                    except Exception as error:  # noqa: BLE001  # the transport may translate it
                        failure = error
                elif step:
                    return step
        except StopIteration:
            self._script = None
            return b""
        except TrunklineError:
            raise
        except Exception as error:
            raise APIConnectionError(f"the transport failed: {type(error).__name__}") from error

    async def _wait(self, step: Wait, waited_s: float) -> float:
        """Let time pass, up to the limits; return the simulated seconds since the last piece."""
        left_s = self._left(waited_s)
        passes = left_s is None or step.seconds <= left_s
        seconds = step.seconds if passes else left_s or 0.0
        if step.real:
            await self._sleep(seconds)
        else:
            self.elapsed_extra_s += seconds
            waited_s += seconds
        if not passes:
            raise self._timed_out()
        return waited_s

    def _left(self, waited_s: float) -> float | None:
        """Return what the read timeout and the deadline leave, simulated seconds counted."""
        limits = self._limits
        to_idle = None if limits.read_s is None else limits.read_s - waited_s
        if limits.deadline is None:
            return to_idle
        to_deadline = limits.deadline - limits.monotonic() - self.elapsed_extra_s
        return to_deadline if to_idle is None else min(to_idle, to_deadline)

    async def _run(self, step: Invoke) -> Any:
        left_s = self._left(0.0)
        if left_s is not None and left_s <= 0:
            raise self._timed_out()
        try:
            result = await self._invoke(step, self._limits)
        except LimitPassedError:
            raise self._timed_out() from None
        if self._limits.deadline is not None and (self._left(0.0) or 0.0) <= 0:
            raise self._timed_out()
        return result

    def _timed_out(self) -> APITimeoutError:
        return APITimeoutError("the answer took longer than the timeout or the deadline")

    async def close(self) -> None:
        """End the script."""
        self.abort()

    def abort(self) -> None:
        """End the script early; its ``finally`` runs."""
        script, self._script = self._script, None
        self._was_cut = self._was_cut or script is not None
        if script is not None:
            with contextlib.suppress(Exception):
                script.close()
