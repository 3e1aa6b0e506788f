"""Reads the fields of a request for a response, and refuses what is none by its place.

Decides no mapping: only what is a text, an object or a list, and how a refusal is worded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from trunkline.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Collection

JSON = dict[str, Any]


def refuse(what: str, param: str, code: str = "unsupported_parameter") -> NoReturn:
    """Refuse a request before it is sent.

    Args:
        what: What is wrong and what to do instead; the place is put before it.
        param: The place, e.g. ``"input[2].content[0]"``.
        code: OpenAI's word for the kind of refusal.
    """
    raise BadRequestError(
        f"{param}: {what}", param=param, code=code, sent=False, should_retry=False
    )


def is_object(value: object) -> TypeGuard[JSON]:
    """Say whether a value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Say whether a value is a JSON array."""
    return isinstance(value, list)


def an_object(value: Any, where: str) -> JSON:
    """Return an object; refuse anything else."""
    if not is_object(value):
        refuse("it must be an object", where, "invalid_type")
    return value


def objects(value: Any, where: str) -> list[JSON]:
    """Return a list of objects, ``[]`` for null; refuse anything else."""
    if value is None:
        return []
    if not is_list(value):
        refuse("it must be a list", where, "invalid_type")
    return [an_object(item, f"{where}[{number}]") for number, item in enumerate(value)]


def text(given: JSON, name: str, where: str) -> str:
    """Return a field that must be a string; refuse anything else."""
    value = given.get(name)
    if isinstance(value, str):
        return value
    place = f"{where}.{name}"
    if value is None:
        refuse("it is missing", place, "missing_required_parameter")
    refuse("it must be a string", place, "invalid_type")


def rest(given: JSON, read: Collection[str]) -> JSON:
    """Return the fields that nobody read: a provider's own, sent on; null is no field."""
    return {n: value for n, value in given.items() if n not in read and value is not None}
