"""A key that cannot be shown by accident.

Decides how a key looks in every printed form. Does not decide where keys come from or whom they are
sent to; ``providers`` does.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, NoReturn

_SHORTEST_WITH_TAIL = 12  # the last four of a shorter key would be a third of it


class Secret:
    """Wrap a key; every printed form shows its last four characters at most.

    Copies are the object itself, pickling is refused: a key reaches another process through that
    process's own environment.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the key itself, for the one header it goes into."""
        return self.__value

    def __repr__(self) -> str:
        prefix = "sk-" if self.__value.startswith("sk-") else ""
        tail = self.__value[-4:] if len(self.__value) >= _SHORTEST_WITH_TAIL else ""
        return f"{prefix}...{tail}"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled; set its environment variable in the other process")
