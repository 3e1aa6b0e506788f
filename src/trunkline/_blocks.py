"""``with router.budget(usd=...)``: a cap for a block of code, nested in all others."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, TypeVar

from trunkline.types.money import nanousd, usd

if TYPE_CHECKING:
    from contextvars import Token
    from decimal import Decimal
    from types import TracebackType

    from trunkline._engine import Engine

R = TypeVar("R")
Caps = tuple[tuple[str, int], ...]

# A block holds for the calls made inside it, in this task or thread, on the router it came from.
_OPEN: ContextVar[tuple[tuple[int, str, int], ...]] = ContextVar("trunkline_blocks", default=())


def caps_in_scope(engine: Engine, bound: Caps) -> Caps:
    """Return the block caps of a call: those its view is bound to, and those it stands in."""
    standing = tuple((block, cap) for owner, block, cap in _OPEN.get() if owner == id(engine))
    if not standing:
        return bound
    known = {block for block, _ in bound}
    return (*bound, *((block, cap) for block, cap in standing if block not in known))


class BlockBudget(Generic[R]):
    """A cap on what the calls inside a block may cost.

    Attributes:
        id: Of its scope, ``block:ID``.
        limit: In USD.
        router: A view bound to the block, for threads and tasks that the context does not reach.
    """

    def __init__(self, engine: Engine, amount: Decimal | str | int, name: str = "usd") -> None:
        self._engine = engine
        self._limit = nanousd(amount, name=name)
        self._token: Token[tuple[tuple[int, str, int], ...]] | None = None
        self.id = engine.new_id(engine.clock())  # tells the store how old a block is
        weakref.finalize(self, engine.forget, self.id).atexit = False
        self.router: R

    @property
    def cap(self) -> tuple[str, int]:
        """Block id and limit in nano-dollars."""
        return self.id, self._limit

    @property
    def limit(self) -> Decimal:
        """The cap, in USD."""
        return usd(self._limit)

    @property
    def spent(self) -> Decimal:
        """What this process has settled in the block, in USD."""
        return usd(self._engine.spent_in(self.id))

    @property
    def left(self) -> Decimal:
        """What is left of the cap, in USD, never below 0."""
        return usd(max(0, self._limit - self._engine.spent_in(self.id)))

    def __enter__(self) -> BlockBudget[R]:
        self._token = _OPEN.set((*_OPEN.get(), (id(self._engine), *self.cap)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _OPEN.reset(self._token)
            self._token = None

    async def __aenter__(self) -> BlockBudget[R]:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<BlockBudget limit ${self.limit:f} spent ${self.spent:f} left ${self.left:f}>"
