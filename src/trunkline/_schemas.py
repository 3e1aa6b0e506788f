"""What a type looks like as a JSON schema, and a function whose arguments are such a type.

Decides the form that OpenAI calls strict, which other providers take too. Reading an answer as the
type is ``_structured``'s business.
"""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from typing import Any, TypeGuard, cast

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from trunkline.errors import ConfigurationError

JSON = dict[str, Any]

_LONGEST_NAME = 64
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]+")  # what OpenAI does not take in a schema's or tool's name


class PydanticFunctionTool(dict[str, Any]):
    """The definition of a function, which knows the model of its arguments."""

    def __init__(self, definition: JSON, model: type[BaseModel]) -> None:
        super().__init__(definition)
        self.model = model


def pydantic_function_tool(
    model: type[BaseModel], *, name: str | None = None, description: str | None = None
) -> dict[str, Any]:
    """Return a tool whose arguments are a pydantic model, for ``tools=[...]``.

    Args:
        model: What the arguments are; ``parse`` and ``stream`` give them back as its instance.
        name: Of the function; default: the model's.
        description: Of the function; default: the model's docstring.

    Raises:
        ConfigurationError: ``model`` is no pydantic model.
    """
    if not _is_model(model):
        raise ConfigurationError(f"a function tool needs a pydantic model, not {model!r:.60}")
    described = model.__doc__ if description is None else description
    function = {"name": name or _name_of(model), "strict": True, "parameters": schema_of(model)}
    if described is not None:
        function["description"] = described
    return {"type": "function", "function": PydanticFunctionTool(function, model)}


def schema_of(kind: type[Any]) -> JSON:
    """Return a type's JSON schema in the strict form: closed objects that require all they name.

    Raises:
        ConfigurationError: The type, or one inside it, has no schema.
    """
    adapter = adapter_of(kind)[1]
    try:
        schema = adapter.json_schema()
    except PydanticUserError as error:
        raise _no_schema(kind, error) from None
    return _strict(schema, schema, ())


def _name_of(kind: type[Any]) -> str:
    return _NO_NAME.sub("_", kind.__name__)[:_LONGEST_NAME]


def adapter_of(kind: Any) -> tuple[str, TypeAdapter[Any]]:
    """Return a type's name as OpenAI takes it, and what reads it.

    Raises:
        ConfigurationError: It is none of the types that have a schema.
    """
    if not (_is_model(kind) or _is_record(kind)):
        raise ConfigurationError(
            f"response_format={kind!r:.60} is no type that can be parsed: give a pydantic model, "
            "a dataclass, a TypedDict, or OpenAI's dict"
        )
    try:
        return _name_of(kind), TypeAdapter(kind)
    except PydanticUserError as error:
        raise _no_schema(kind, error) from None


def _no_schema(kind: type[Any], error: PydanticUserError) -> ConfigurationError:
    return ConfigurationError(f"{kind.__name__} has no JSON schema: {error.message}")


def _is_class(value: object) -> TypeGuard[type[Any]]:
    return isinstance(value, type)


def _is_model(value: object) -> bool:
    return _is_class(value) and issubclass(value, BaseModel)


def _is_record(value: object) -> bool:
    """Whether a value is a dataclass or a TypedDict, be it typing's or typing_extensions'."""
    is_typed_dict = hasattr(value, "__total__") and hasattr(value, "__required_keys__")
    return _is_class(value) and (is_dataclass(value) or is_typed_dict)


def _strict(node: JSON, root: JSON, within: tuple[str, ...]) -> JSON:
    """Return a schema in the strict form.

    Args:
        node: The schema.
        root: Where references are looked up.
        within: The references that this one stands in the place of.
    """
    node = dict(node)
    if len(parts := cast("list[JSON]", node.get("allOf") or ())) == 1:
        del node["allOf"]
        node |= _strict(parts[0], root, within)
    if node.get("default", ...) is None:  # what may be missing is null, so this says nothing
        del node["default"]
    reference = node.get("$ref")
    if reference is not None and len(node) > 1:  # none may stand beside others
        if reference in within:  # a type inside itself: the words beside it are what can go
            return {"$ref": reference}
        del node["$ref"]
        return _strict({**_resolved(root, reference), **node}, root, (*within, reference))
    if node.get("type") == "object":
        node.setdefault("additionalProperties", False)
    if isinstance(properties := node.get("properties"), dict):
        node["required"] = list(cast("JSON", properties))
    return {name: _strict_part(name, part, root, within) for name, part in node.items()}


def _strict_part(name: str, part: Any, root: JSON, within: tuple[str, ...]) -> Any:
    if name in ("$defs", "definitions", "properties") and isinstance(part, dict):
        named = cast("dict[str, JSON]", part)
        return {key: _strict(each, root, within) for key, each in named.items()}
    if name in ("anyOf", "allOf") and isinstance(part, list):
        return [_strict(each, root, within) for each in cast("list[JSON]", part)]
    if name == "items" and isinstance(part, dict):
        return _strict(cast("JSON", part), root, within)
    return part


def _resolved(root: JSON, reference: str) -> JSON:
    found = root
    for name in reference.removeprefix("#/").split("/"):
        part: Any = found.get(name.replace("~1", "/").replace("~0", "~"))
        if not isinstance(part, dict):
            raise ConfigurationError(f"the schema refers to {reference!r}, which is not in it")
        found = cast("JSON", part)
    return found
