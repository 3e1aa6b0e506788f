"""The grammar of scopes: whose spending a budget or limit counts.

``all``, ``team:ID``, ``user:ID``, ``team:ID/user:ID``, ``provider:NAME``, ``model:PROVIDER/ID``,
``tag:KEY=VALUE``, ``block:UUID``; ``*`` as an ID means each of them on its own. A model's name is
read without regard to case, and means its dated and otherwise spelled names too, as far as the
catalogue knows them: no provider bills a spelling apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trunkline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORMS = (
    "all, team:ID, user:ID, team:ID/user:ID, provider:NAME, model:PROVIDER/ID, tag:KEY=VALUE"
    " (* as an ID means each)"
)
_MAX_ID = 200


@dataclass(frozen=True, slots=True)
class Spending:
    """What a scope is matched against: one attempt's identity; ``entry`` as in ``Offer``."""

    team: str | None
    user: str | None
    provider: str
    model: str
    tags: Mapping[str, str]
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """A parsed scope; ``parts`` are its IDs in order of the text, a tag's key first."""

    kind: str
    parts: tuple[str, ...]

    @property
    def is_template(self) -> bool:
        """Whether it stands for each of several."""
        return "*" in self.parts

    def matches(self, spending: Spending) -> bool:
        """Whether ``spending`` counts here; a block is known by id alone, so never."""
        return any(
            len(parts) == len(self.parts)
            and all(ours in ("*", theirs) for ours, theirs in zip(self.parts, parts, strict=True))
            for parts in _parts_of(self.kind, spending)
        )

    def covers(self, literal: Scope) -> bool:
        """Whether this template, or the same scope, has ``literal`` among its own."""
        return self.kind == literal.kind and all(
            ours in ("*", theirs) for ours, theirs in zip(self.parts, literal.parts, strict=True)
        )


def parse(text: object) -> Scope:
    """Read a scope.

    Raises:
        ConfigurationError: It is not of the grammar; the message shows the forms.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"scope must be a string, one of: {_FORMS}")
    scope = _read(text)
    if scope is None or not all(_is_id(part, scope.kind) for part in scope.parts):
        raise ConfigurationError(f"scope {text[:80]!r} is none of: {_FORMS}")
    return scope


def canonical(text: object) -> str:
    """Return a scope as it is counted: equal for all spellings. Raises as ``parse``."""
    scope = parse(text)
    return "model:{}/{}".format(*scope.parts) if scope.kind == "model" else str(text)


def check_id(name: str, value: str) -> str:
    """Return ``value`` if it can be part of a scope, so that no identity can pose as another.

    Raises:
        ConfigurationError: Empty, over 200 characters, or with control characters, ``/`` or ``*``.
    """
    if value == "*" or not _is_id(value, name):
        raise ConfigurationError(
            f"{name}={value[:40]!r} must be 1-{_MAX_ID} characters without control characters,"
            ' "/" or "*"'
        )
    return value


def call_scopes(
    team: str | None, user: str | None, tags: Mapping[str, str], blocks: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the scopes that count a call whichever model serves it.

    Raises:
        ConfigurationError: An ID that is none.
    """
    scopes = ["all"]
    if team is not None:
        scopes.append(f"team:{check_id('team', team)}")
    if user is not None:
        scopes.append(f"user:{check_id('user', user)}")
    if team is not None and user is not None:
        scopes.append(f"team:{team}/user:{user}")
    for key, value in tags.items():
        if "=" in key:
            raise ConfigurationError(f'tag {key[:40]!r} must not contain "="')
        scopes.append(f"tag:{check_id('tag', key)}={check_id('tag', value)}")
    scopes.extend(f"block:{block}" for block in blocks)
    return tuple(scopes)


def offer_scopes(provider: str, model: str, entry: str | None = None) -> tuple[str, ...]:
    """Return the scopes that count a call because of what serves it.

    Args:
        provider: Its name.
        model: As it was asked for.
        entry: The catalogue's id of it.
    """
    asked = f"model:{provider}/{model.lower()}"
    listed = f"model:{provider}/{entry.lower()}" if entry else asked
    known = f"provider:{provider}", asked
    return known if listed == asked else (*known, listed)


def literal_scopes(
    team: str | None,
    user: str | None,
    tags: Mapping[str, str],
    provider: str,
    model: str,
    blocks: Iterable[str] = (),
    entry: str | None = None,
) -> tuple[str, ...]:
    """Return every literal scope that counts one attempt."""
    return (*call_scopes(team, user, tags, blocks), *offer_scopes(provider, model, entry))


def templates_of(literal: str) -> tuple[str, ...]:
    """Return the templates that cover a literal scope, the most specific first."""
    scope = _read(literal)
    if scope is None:
        return ()
    if scope.kind == "team/user":
        team, user = scope.parts
        return f"team:{team}/user:*", f"team:*/user:{user}", "team:*/user:*"
    if scope.kind == "model":
        return f"model:{scope.parts[0]}/*", "model:*/*"
    if scope.kind == "tag":
        return (f"tag:{scope.parts[0]}=*",)
    return (f"{scope.kind}:*",) if scope.kind in ("team", "user", "provider") else ()


def _read(text: str) -> Scope | None:
    kind, colon, rest = text.partition(":")
    if not colon:
        return Scope("all", ()) if text == "all" else None
    if kind == "team" and "/" in rest:
        team, _, tail = rest.partition("/")
        return Scope("team/user", (team, tail[5:])) if tail.startswith("user:") else None
    if kind == "model":
        provider, slash, model = rest.partition("/")
        return Scope("model", (provider, model.lower())) if slash else None
    if kind == "tag":
        key, equals, value = rest.partition("=")
        return Scope("tag", (key, value)) if equals and key != "*" else None
    return Scope(kind, (rest,)) if kind in ("team", "user", "provider", "block") else None


def _is_id(value: str, kind: str) -> bool:
    return (
        0 < len(value) <= _MAX_ID
        and value.isprintable()
        and ("/" not in value or kind in ("model", "tag"))
        and ("*" not in value or value == "*" or kind == "tag")
    )


def _parts_of(kind: str, spending: Spending) -> list[tuple[str, ...]]:
    """Return the IDs under which ``spending`` appears in scopes of that kind."""
    found: dict[str, list[tuple[str | None, ...]]] = {
        "all": [()],
        "team": [(spending.team,)],
        "user": [(spending.user,)],
        "team/user": [(spending.team, spending.user)],
        "provider": [(spending.provider,)],
        "model": [
            (spending.provider, name.lower()) for name in (spending.model, spending.entry) if name
        ],
        "tag": list(spending.tags.items()),
    }
    return [
        tuple(part for part in parts if part is not None)
        for parts in found.get(kind, [])
        if None not in parts
    ]
