"""Tells JSON objects and lists apart from the rest, for the type checkers too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic_core import from_json

if TYPE_CHECKING:
    from .base import JSON


def is_object(value: object) -> TypeGuard[JSON]:
    """Say whether a parsed value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Say whether a parsed value is a JSON array."""
    return isinstance(value, list)


def is_json(data: bytes) -> bool:
    """Say whether bytes are one whole JSON value."""
    try:
        from_json(data)
    except ValueError:
        return False
    return True
