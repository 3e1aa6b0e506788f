"""A caller's values as plain JSON: lists, dicts, strings, numbers, read once.

Decides what a value becomes: tuples, generators and other iterables lists, pydantic objects dicts;
and what is refused by its path, because JSON has no such thing or no order of it. What a parameter
means is ``_arguments``' business.
"""

from __future__ import annotations

import io
from collections import UserString
from collections.abc import Iterable, Mapping, Set
from itertools import islice
from math import isfinite
from numbers import Integral, Real
from typing import Any, TypeGuard, cast

from trunkline.errors import ConfigurationError

MOST_DRAWN = 100_000
"""Items drawn from what has no length, such as a generator, before it counts as endless."""

_ENDLESS = f"yields more than {MOST_DRAWN} items; if it has an end, give a list"
_DEEPEST = 100
_LEAVES = frozenset({str, int, bool, type(None)})


class _OddValueError(Exception):
    """What cannot be said in JSON, and the way to it, innermost step first."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.path: list[str] = []


def plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's fields as plain JSON values that share nothing with the caller's.

    Raises:
        ConfigurationError: A value is none of JSON's; the message names where it stands.
    """
    found: dict[str, Any] = {}
    for name, value in params.items():
        try:
            found[name] = _plain(value, 0)
        except _OddValueError as odd:
            where = "".join((str(name), *reversed(odd.path)))
            raise ConfigurationError(f"{where} {odd.why}") from None
        except RecursionError:  # whoever calls from deep down has less room than most
            raise ConfigurationError(f"{name} is nested too deeply") from None
    return found


def drawn(value: Iterable[Any], name: str) -> list[Any]:
    """Return the items of what can be iterated over, once.

    Raises:
        ConfigurationError: It has no length, and seems to have no end.
    """
    if hasattr(value, "__len__"):
        return list(value)
    found = list(islice(value, MOST_DRAWN + 1))
    if len(found) > MOST_DRAWN:
        raise ConfigurationError(f"{name} {_ENDLESS}")
    return found


def _plain(value: Any, depth: int) -> Any:
    kind = cast("type[object]", type(value))
    if kind in _LEAVES:
        return value
    if kind is dict:
        return _object(value, depth)
    if kind is list:
        return _list(value, depth)
    if isinstance(value, str):
        return str.__str__(value)  # of an enumeration its value, not its name
    if isinstance(value, Real):
        return _number(value)
    return _unusual(value, depth)


def _number(value: Real) -> int | float:
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    if not isfinite(number):
        raise _OddValueError(f"is {number}, which JSON does not have")
    return number


def _unusual(value: Any, depth: int) -> Any:
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return _object(_dumped(value), depth)
    if isinstance(value, Mapping):
        return _object(value, depth)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, Set):
        raise _OddValueError("is a set, which has no order: give a list")
    if _is_drawable(value):
        return _list(value, depth)
    kind = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    raise _OddValueError(f"is {kind}, which JSON does not have")


def _is_drawable(value: object) -> TypeGuard[Iterable[Any]]:
    return isinstance(value, Iterable) and not isinstance(
        value, bytes | bytearray | memoryview | io.IOBase | UserString | type
    )


def _dumped(value: Any) -> Mapping[Any, Any]:
    # Replaying `response.choices[0].message` is idiomatic with the SDK: take its objects too.
    said: Any = value.model_dump(exclude_unset=True, exclude_none=True)
    if not isinstance(said, dict):
        raise _OddValueError(f"is {type(value).__name__}, which is no object of JSON")
    if not hasattr(value, "role"):
        return said  # pyright: ignore[reportUnknownVariableType]
    return _unread({"role": value.role, **said})  # pyright: ignore[reportUnknownArgumentType]


def _unread(said: dict[Any, Any]) -> dict[Any, Any]:
    """Leave out what ``parse`` read in a message: the model said it once already, as text."""
    said.pop("parsed", None)
    for call in said.get("tool_calls") or ():
        if isinstance(call, dict) and isinstance(function := call.get("function"), dict):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            function.pop("parsed_arguments", None)  # pyright: ignore[reportUnknownMemberType]
    return said


def _object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    _check_depth(depth)
    found: dict[str, Any] = {}
    name: Any = None
    try:
        for name, item in value.items():
            found[_name(name)] = _plain(item, depth + 1)
    except _OddValueError as odd:
        odd.path.append(f"[{name!r}]" if isinstance(name, str) else "")
        raise
    return found


def _name(name: Any) -> str:
    if isinstance(name, str):
        return str.__str__(name)
    if isinstance(name, int) and not isinstance(name, bool):
        return str(int(name))  # logit_bias, as the SDK writes it
    raise _OddValueError(f"has a key of type {type(name).__name__}; JSON has strings alone")


def _list(items: Iterable[Any], depth: int) -> list[Any]:
    _check_depth(depth)
    is_sized = hasattr(items, "__len__")
    found: list[Any] = []
    try:
        for item in items:
            found.append(_plain(item, depth + 1))
            if not is_sized and len(found) > MOST_DRAWN:
                break
    except _OddValueError as odd:
        odd.path.append(f"[{len(found)}]")
        raise
    if not is_sized and len(found) > MOST_DRAWN:
        raise _OddValueError(_ENDLESS)
    return found


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise _OddValueError("is nested too deeply, or holds itself")
