"""The arguments of a call, checked and taken apart: is it well formed?

Pure, and the first thing that happens, so that every bad argument is refused by name before
anything is held. Whom a call may ask is ``_admission``'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

from trunkline._kinds import check_kinds
from trunkline._settings import is_iterable, mapping
from trunkline._values import drawn, plain
from trunkline.errors import ConfigurationError
from trunkline.providers.call_keys import check_call_headers
from trunkline.providers.endpoint import checked_query
from trunkline.types.money import MAX_TOKENS_BELIEVED
from trunkline.types.params import CHAT_PARAMS, EMBEDDING_PARAMS, TRANSPORT_PARAMS
from trunkline.types.routing import Objective, RouteOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_COUNTS = ("n", "max_tokens", "max_completion_tokens")
_MOST_CHOICES = 1_000  # no provider gives more than 128
_MOST_INPUTS = 2_048  # OpenAI's limit
_OF_CHAT = CHAT_PARAMS | TRANSPORT_PARAMS
_OF_EMBEDDINGS = EMBEDDING_PARAMS | TRANSPORT_PARAMS
_OF_LISTS = frozenset({"model", "cursor", "timeout"})
_OF_PASSED = frozenset({"model", "method", "path", "content_type", "body"}) | TRANSPORT_PARAMS
_ROUTE_FIELDS = tuple(f.name for f in fields(RouteOptions))


@dataclass(frozen=True, slots=True)
class Arguments:
    """A call's parameters, taken apart: the request's own fields, and what steers the call."""

    model: str
    params: dict[str, Any] = field(repr=False)
    route: RouteOptions
    stream: bool
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, Any] = field(repr=False)
    timeout: Any
    has_timeout: bool


def of_chat(given: Mapping[str, Any]) -> Arguments:
    """Check and split the arguments of ``chat.completions.create``.

    Raises:
        ConfigurationError: Unknown or ill-typed arguments, each by name.
    """
    asked = _split(given, _OF_CHAT)
    params = asked.params
    if isinstance(params.get("response_format"), type):
        raise ConfigurationError(
            "response_format is a type: call chat.completions.parse, which reads the answer as it"
        )
    params.update(plain(params))
    params["messages"] = _messages(params.get("messages"))
    for name in ("tools", "functions"):
        if params.get(name) is not None:
            _dicts(params[name], name)
    check_kinds(params)
    for name in _COUNTS:
        _check_count(params.get(name), name, _MOST_CHOICES if name == "n" else MAX_TOKENS_BELIEVED)
    if (params.get("n") or 1) * (asked_cap(params) or 1) > MAX_TOKENS_BELIEVED:
        raise ConfigurationError(f"n times max_tokens must be at most {MAX_TOKENS_BELIEVED}")
    return asked


def of_embeddings(given: Mapping[str, Any]) -> Arguments:
    """Check and split the arguments of ``embeddings.create``.

    Raises:
        ConfigurationError: Unknown or ill-typed arguments, each by name.
    """
    asked = _split(given, _OF_EMBEDDINGS)
    if asked.stream:
        raise ConfigurationError("stream=True is for chat; embeddings come whole")
    if asked.route.fallbacks:
        raise ConfigurationError(
            "route.fallbacks is not for embeddings: vectors of different models cannot be compared"
        )
    params = asked.params
    if not isinstance(params.get("user"), str | None):
        raise ConfigurationError(f"user must be a string, not {type(params['user']).__name__}")
    params["input"] = _inputs(params.get("input"))
    params.update(plain(params))
    _check_count(params.get("dimensions"), "dimensions", MAX_TOKENS_BELIEVED)
    if params.get("encoding_format") not in (None, "float", "base64"):
        given_format = params["encoding_format"]
        raise ConfigurationError(f"encoding_format={given_format!r} must be 'float' or 'base64'")
    return asked


def of_list(given: Mapping[str, Any]) -> Arguments:
    """Split what asks a provider, named in place of a model, for a page of its own models."""
    return _split(given, _OF_LISTS)


def of_passed(given: Mapping[str, Any]) -> Arguments:
    """Split a request that is passed on as it is; ``model`` names its path in the log."""
    return _split(given, _OF_PASSED)


def asked_cap(params: Mapping[str, Any]) -> int | None:
    """Return the caller's own output cap, the larger where both names are used."""
    given = [params[n] for n in ("max_completion_tokens", "max_tokens") if params.get(n)]
    return max(given, default=None)


def _split(given: Mapping[str, Any], known: frozenset[str]) -> Arguments:
    params = {name: value for name, value in given.items() if not is_omitted(value)}
    for name in params.keys() - known:
        raise ConfigurationError(_unknown(name, known))
    headers = mapping(params.pop("extra_headers", None), "extra_headers")
    check_call_headers(headers)
    query = checked_query(mapping(params.pop("extra_query", None), "extra_query"), "extra_query")
    route = params.pop("route", None)
    if not (route is None or isinstance(route, RouteOptions)):
        raise ConfigurationError(f"route must be a RouteOptions, not {type(route).__name__}")
    has_timeout = "timeout" in params
    timeout = params.pop("timeout", None)
    body = dict(mapping(params.pop("extra_body", None), "extra_body"))
    for name in body:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"extra_body has a key of type {type(name).__name__}")
    if (nested := body.pop("trunkline", None)) is not None:
        route = _route_options(mapping(nested, "extra_body['trunkline']"), route)
    params.update(body)
    model = params.pop("model", None)
    if not isinstance(model, str) or not model:
        raise ConfigurationError('model must be a name such as "gpt-5-mini" or "auto"')
    stream = params.pop("stream", None)
    if not (stream is None or isinstance(stream, bool)):
        raise ConfigurationError(f"stream must be True or False, not {stream!r}")
    return Arguments(
        model, params, route or RouteOptions(), bool(stream), headers, query, timeout, has_timeout
    )


def _messages(messages: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _dicts(messages, "messages")
    if not found:
        raise ConfigurationError("messages must hold at least one message")
    for index, message in enumerate(found):
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise ConfigurationError(
                f"messages[{index}] has role {role!r}; use one of {', '.join(sorted(_ROLES))}"
            )
        if "content" not in message and role not in ("assistant", "function"):
            raise ConfigurationError(
                f"messages[{index}] has no content; it has {', '.join(sorted(message))}"
            )
    return found


def _dicts(value: Any, name: str) -> list[dict[str, Any]]:
    kind = cast("type[object]", type(value))
    if kind is not list:
        raise ConfigurationError(f"{name} must be a list of dicts, not {kind.__name__}")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise ConfigurationError(f"{name}[{index}] must be a dict, not {type(item).__name__}")
    return cast("list[dict[str, Any]]", value)


def _inputs(value: Any) -> str | list[Any]:
    """Read what is to be embedded: a text, token ids, or a list of either."""
    items = _text_or_items(value, "input")
    if isinstance(items, str):
        return items
    if _is_token(items[0]):
        return _tokens(items, "input")
    if len(items) > _MOST_INPUTS:
        raise ConfigurationError(
            f"input holds {len(items)} texts; send at most {_MOST_INPUTS} at a time"
        )
    return [_input(item, f"input[{index}]") for index, item in enumerate(items)]


def _input(item: Any, name: str) -> str | list[int]:
    found = _text_or_items(item, name)
    return found if isinstance(found, str) else _tokens(found, name)


def _text_or_items(value: Any, name: str) -> str | list[Any]:
    if isinstance(value, bytes | Mapping) or not is_iterable(value):
        kind = type(cast("object", value)).__name__
        raise ConfigurationError(f"{name} must be a string or a list, not {kind}")
    found = value if isinstance(value, str) else drawn(value, name)
    if not found:
        raise ConfigurationError(f"{name} is empty; there is nothing to embed")
    return found


def _tokens(items: list[Any], name: str) -> list[int]:
    for index, item in enumerate(items):
        if not _is_token(item) or item < 0:
            raise ConfigurationError(
                f"{name}[{index}] must be a token id, a whole number from 0 on, like the first"
            )
    return [int(item) for item in items]


def _is_token(item: object) -> bool:
    return isinstance(item, Integral) and not isinstance(item, bool)


def _check_count(value: Any, name: str, most: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}={value!r} must be a whole number, 1 or more")
    if value > most:  # what it may cost would be no number the ledger can hold
        raise ConfigurationError(f"{name} must be at most {most}")


def _route_options(given: Mapping[str, Any], route: Any) -> RouteOptions:
    for name in given.keys() - set(_ROUTE_FIELDS):
        raise ConfigurationError("extra_body['trunkline']: " + _unknown(name, _ROUTE_FIELDS))
    options: dict[str, Any] = dict(given)
    if isinstance(options.get("objective"), Mapping):
        options["objective"] = _objective(options["objective"])
    return replace(route or RouteOptions(), **options)


def _objective(given: Mapping[str, Any]) -> Objective:
    known = [f.name for f in fields(Objective)]
    for name in given.keys() - set(known):
        raise ConfigurationError("extra_body['trunkline']['objective']: " + _unknown(name, known))
    return Objective(**given)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), list(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "a provider's own fields go in extra_body"
    return f"unknown argument {name!r}; {hint}"


def is_omitted(value: Any) -> bool:
    """Whether a value is one of the SDK's sentinels, which mean "as if not given"."""
    kind = cast("type[object]", type(value))
    return kind.__name__ in ("NotGiven", "Omit") and kind.__module__.startswith("openai")
