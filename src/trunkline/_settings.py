"""What a Router or one of its views asks for when a call is silent, and the checks of such values.

Light on purpose: constructing a Router loads neither pydantic nor numpy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from trunkline.catalog.models import Model
from trunkline.errors import ConfigurationError
from trunkline.types.routing import Objective

if TYPE_CHECKING:
    from trunkline._io.protocol import Timeout
    from trunkline.types.routing import RouteOptions

AUTO = "auto"
POLICY_NAMES = ("learned", "cheapest", "fastest", "baseline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one view of a Router asks for when the call itself is silent.

    Attributes:
        timeout_is_per_attempt: Whether each retry has a timeout of its own, as in the SDK, so that
            the deadline of a call without one has room for all of them.
    """

    models: tuple[str, ...] | None = None
    objective: Objective = field(default_factory=Objective)
    policy: Any = "learned"
    fallbacks: tuple[str, ...] = ()
    team: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: Timeout
    deadline_s: float | None = None
    max_retries: int = 2
    max_output_tokens: int = 8192
    unpriced: str = "refuse"
    drop_params: bool = False
    blocks: tuple[tuple[str, int], ...] = ()
    timeout_is_per_attempt: bool = False


def with_route(settings: Settings, route: RouteOptions) -> Settings:
    """Lay a call's own options over the view's."""
    _check_route(route)
    given: dict[str, Any] = {}
    for name in ("objective", "policy", "team", "user", "deadline_s"):
        if (value := getattr(route, name)) is not None:
            given[name] = value
    if route.models is not None:
        given["models"] = names(route.models, "route.models")
    if route.fallbacks is not None:
        given["fallbacks"] = names(route.fallbacks, "route.fallbacks")
    if route.tags is not None:
        given["tags"] = {**settings.tags, **check_tags(route.tags)}
    return replace(settings, **given) if given else settings


def _check_route(route: RouteOptions) -> None:
    if route.policy is not None:
        check_policy(route.policy)
    check_identity(route.team, route.user)
    objective: Any = route.objective  # a type checker's word is no check at run time
    if not (objective is None or isinstance(objective, Objective)):
        raise ConfigurationError("objective must be an Objective(quality=..., cost=...)")
    check_deadline(route.deadline_s)
    if route.cache is not None:
        raise ConfigurationError("cache= is not available yet; leave it None")
    check_flag(route.explore, "explore")
    check_flag(route.idempotent, "idempotent")


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether something can be iterated over; what it yields is checked by who does."""
    return isinstance(value, Iterable)


def names(value: Any, name: str) -> tuple[str, ...]:
    """Read a list of model names; a lone string is an easy mistake and refused."""
    if isinstance(value, str) or not is_iterable(value):
        raise ConfigurationError(f'{name} must be a list of model names, e.g. ["gpt-5-mini"]')
    found = tuple(value)
    if not all(isinstance(item, str) for item in found):
        raise ConfigurationError(f"{name} must hold model names only")
    return found


def check_tags(tags: Any) -> dict[str, str]:
    """Read tags: short strings without ``=``, ``/`` or control characters."""
    checked = dict(mapping(tags, "tags"))
    for key, value in checked.items():
        for part, what in ((key, "key"), (value, "value")):
            if not isinstance(part, str) or not part or len(part) > 200 or not part.isprintable():
                raise ConfigurationError(
                    f"tags: the {what} {part!r} must be 1-200 printable characters"
                )
        if "=" in key or "*" in key or value == "*":
            raise ConfigurationError(f"tags: {key!r} may not hold '=' or '*'")
    return checked


def check_identity(team: Any, user: Any) -> None:
    """Refuse team and user ids that could not be named in a scope."""
    for name, value in (("team", team), ("user", user)):
        if value is None:
            continue
        if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():
            raise ConfigurationError(f"{name} must be 1-200 printable characters, not {value!r}")
        if "/" in value or "*" in value or ":" in value or value != value.strip():
            raise ConfigurationError(
                f"{name}={value!r} may not hold '/', ':' or '*' nor outer blanks"
            )


def check_policy(policy: Any) -> None:
    """Refuse what is no policy, without loading numpy."""
    if isinstance(policy, str):
        if policy not in POLICY_NAMES:
            raise ConfigurationError(
                f"policy={policy!r} is unknown; use one of {', '.join(POLICY_NAMES)}, or an object "
                "with a name and a propose method (trunkline.policies)"
            )
    elif not hasattr(policy, "propose") or not hasattr(policy, "name"):
        raise ConfigurationError("policy must be a name, or have a name and a propose method")


def check_deadline(deadline_s: Any) -> None:
    """Refuse a deadline that is no time above zero; ``None`` is none."""
    if deadline_s is None:
        return
    if isinstance(deadline_s, bool) or not isinstance(deadline_s, int | float):
        raise ConfigurationError(f"deadline_s={deadline_s!r} must be a number of seconds")
    if not 0 < deadline_s < inf:
        raise ConfigurationError(f"deadline_s={deadline_s!r} must be above 0 and finite")


def check_flag(value: Any, name: str) -> None:
    """Refuse what is neither ``True``, ``False`` nor left out."""
    if not (value is None or isinstance(value, bool)):
        raise ConfigurationError(f"{name}={value!r} must be True or False")


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Read an argument that must be a dict; ``None`` is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be a dict, not {type(value).__name__}")
    return cast("Mapping[str, Any]", value)


def check_store(store: Any) -> str | None:
    """Refuse what is no store; ``None`` leaves the place to ``default_store``."""
    if store is None:
        return None
    if not isinstance(store, str | os.PathLike):
        raise ConfigurationError(f"store must be a path or ':memory:', not {type(store).__name__}")
    path = os.fspath(cast("str | os.PathLike[str]", store))
    if path.startswith(("postgres://", "postgresql://")):
        raise ConfigurationError("store='postgresql://…' is not available yet; use a file path")
    if not path:
        raise ConfigurationError("store must be a path or ':memory:'")
    return path


def default_store() -> str:
    """Return ``TRUNKLINE_STORE``, else a file in the user's data directory."""
    if path := os.environ.get("TRUNKLINE_STORE"):
        return check_store(path) or path
    from platformdirs import user_data_dir

    return os.path.join(user_data_dir("trunkline", appauthor=False), "trunkline.sqlite3")


def refuse_unavailable(*, content: str, cache: None) -> None:
    """Refuse by name what the contract has and this version has not."""
    if content != "none":
        raise ConfigurationError(
            f"content={content!r} is not available yet; use content='none' (no text is stored)"
        )
    if cache is not None:
        raise ConfigurationError("cache= is not available yet; leave it None")


def check_numbers(max_output_tokens: Any, max_retries: Any, seed: Any) -> None:
    """Refuse what is no count."""
    for name, value, least in (
        ("max_output_tokens", max_output_tokens, 1),
        ("max_retries", max_retries, 0),
        ("seed", 0 if seed is None else seed, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(f"{name}={value!r} must be a whole number, {least} or more")


def check_aliases(aliases: Mapping[Any, Any]) -> None:
    """Refuse aliases that could not be told from other names."""
    for name in aliases:
        if not isinstance(name, str) or not name or name == AUTO or "/" in name:
            raise ConfigurationError(
                f"aliases: {name!r} must be a name without '/', other than auto"
            )


def model_list(models: Any, name: str) -> list[str | Model]:
    """Read a list of names and ``Model``s, at least one."""
    if isinstance(models, str | Model) or not is_iterable(models):
        raise ConfigurationError(f'{name} must be a list, e.g. {name}=["gpt-5-mini"]')
    found = list(models)
    if not found or not all(isinstance(m, str | Model) for m in found):
        raise ConfigurationError(f"{name} must hold at least one model name or Model")
    return found


def check_objective(objective: Any) -> Objective:
    """Return the objective, the default one for ``None``."""
    if objective is None:
        return Objective()
    if not isinstance(objective, Objective):
        raise ConfigurationError("objective must be an Objective(quality=..., cost=...)")
    return objective


def check_unpriced(unpriced: str | Model) -> str:
    """Return what happens to models without a price; a ``Model``'s prices stand in for theirs."""
    if isinstance(unpriced, Model):
        if unpriced.prices is None:
            raise ConfigurationError("unpriced=Model(...) needs prices")
        return "refuse"
    if unpriced not in ("refuse", "allow"):
        raise ConfigurationError(f"unpriced={unpriced!r} must be 'refuse', 'allow' or a Model")
    return unpriced
