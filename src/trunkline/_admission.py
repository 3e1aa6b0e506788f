"""Admission: whom may this call ask, and who is ruled out and why?

Pure: arguments and settings go in, a ``Call`` or a typed refusal comes out. Nothing is held yet, so
whoever cannot serve a call is told apart here, with the reason: limits and capabilities, a key that
is missing, a parameter that a provider has no words for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from trunkline._arguments import asked_cap
from trunkline._settings import AUTO
from trunkline.catalog import bounds, capabilities, tokens
from trunkline.catalog.models import Deployment, Model
from trunkline.errors import ConfigurationError, NoEligibleModelError, NotFoundError
from trunkline.providers.base import Asked, Embeds, PassesOn
from trunkline.providers.call_keys import headers_for, named_of
from trunkline.types.routing import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from trunkline._arguments import Arguments
    from trunkline._io.protocol import Timeout
    from trunkline._settings import Settings
    from trunkline._tasks import Task
    from trunkline.providers.base import Provider

# Every provider has words for these, so a call of nothing else need not ask who objects.
_PLAIN = frozenset({"messages", "max_tokens", "max_completion_tokens"})
LONGEST_OBEYED_S = 60.0
"""Longest wait before a retry that is kept when a provider asks for it."""
OPENAI = "openai"
"""Whose API is passed on to where we have no words for a path of it."""
LISTING = Model("models.list", input_usd_per_m=0, output_usd_per_m=0, supports=())
"""What the books name where a provider was asked for its models, which costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One admitted call: what is asked of whom, on whose account, within which limits.

    Attributes:
        task: What it is for, and all that differs with that.
        id: The ledger's call id, made before anything is written.
        params: The request's own fields, without ``model``.
        requested: The name the caller gave.
        is_explicit: A named model, never swapped.
        named: Provider of the one model or the several that the name means, ``None`` if they are of
            several; keys without a provider's name are for it.
        candidates: Who may be chosen, in the order given.
        ruled_out: Who may not, with the reason.
        fallbacks: Who is asked when those fail.
        input_bytes: Upper bound of the input, in bytes (and so in tokens).
        unseen_bytes: Its part that the provider adds by itself, in no body.
        input_tokens: Estimate of the input, in tokens.
        unbounded: Parts whose cost has no bound.
        output_cap: The caller's own cap, if any; 0 where there is no output to pay for.
        deadline_s: Seconds for all attempts and the body; ``None`` for none.
    """

    task: Task[Any]
    id: str
    created: float
    params: dict[str, Any] = field(repr=False)  # prompts stay out of reprs
    requested: str
    is_explicit: bool
    named: str | None
    stream: bool
    candidates: tuple[Deployment, ...]
    ruled_out: tuple[tuple[Deployment, str], ...]
    fallbacks: tuple[Deployment, ...]
    reason: str
    input_bytes: int
    unseen_bytes: int
    input_tokens: int
    unbounded: tuple[str, ...]
    output_cap: int | None
    n: int
    settings: Settings
    explore: bool | None
    idempotent: bool
    timeout: Timeout
    deadline_s: float | None
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, Any] = field(repr=False)


class Circumstances(NamedTuple):
    """What admission must know beside the arguments.

    Attributes:
        settings: The view's, with the call's own laid over.
        call_id: Fresh.
        created: UTC epoch seconds.
        find: Name -> (deployments, whether it was one explicit model, reason in words).
        timeout_of: Reads a ``timeout`` argument.
        providers: The configured ones, by name.
    """

    settings: Settings
    call_id: str
    created: float
    find: Callable[[str], tuple[Sequence[Deployment], bool, str]]
    timeout_of: Callable[[Any], Timeout]
    providers: Mapping[str, Provider]


def admit_chat(asked: Arguments, task: Task[Any], at: Circumstances) -> Call:
    """Make the admitted call of a chat.

    Raises:
        ConfigurationError: A bad name, or a missing key.
        NoEligibleModelError: Nobody can serve the request; each candidate has its reason.
    """
    found, is_explicit, reason = at.find(asked.model)
    named = named_of(asked.headers, {d.provider for d in found}, asked.model)
    if asked.route.models is not None and asked.model != AUTO:
        raise ConfigurationError(f'route.models names the arms of "auto", not of {asked.model!r}')
    family = tokens.family_of(found[0].model.id) if is_explicit else "o200k"
    input_tokens = tokens.estimate_request(asked.params, family)
    keyless = _keyless(found, asked, at.providers, named)
    fallbacks = at.settings.fallbacks
    if keyless and not (is_explicit and fallbacks) and all(d.provider in keyless for d in found):
        raise ConfigurationError("; ".join(keyless.values()))
    # An explicit model is sent as asked: the caller knows, and the provider has the last word.
    fit, out = (
        (tuple(found), ()) if is_explicit else eligible(found, asked, input_tokens, at, keyless)
    )
    if not fit:
        raise _nobody(asked.model, out)
    return make_call(
        asked,
        task,
        at,
        is_explicit=is_explicit,
        named=named,
        candidates=fit,
        ruled_out=out,
        fallbacks=tuple(d for name in fallbacks for d in at.find(name)[0]),
        reason=reason,
        input_tokens=input_tokens,
        unbounded=bounds.unbounded_parts(asked.params),
        output_cap=asked_cap(asked.params),
    )


def admit_embeddings(asked: Arguments, task: Task[Any], at: Circumstances) -> Call:
    """Make the admitted call of embeddings: one model, never another.

    Raises:
        ConfigurationError: A bad name, one of several models, or a missing key.
        NoEligibleModelError: The model's provider makes no embeddings.
    """
    found, _, reason = ((), False, "") if asked.model == AUTO else at.find(asked.model)
    if len(found) != 1 or asked.route.models is not None:
        raise ConfigurationError(
            f"model={asked.model!r} is no single model: vectors of different models cannot be "
            'compared, so name one for embeddings, such as "text-embedding-3-small"'
        )
    deployment = found[0]
    if not isinstance(at.providers[deployment.provider], Embeds):
        why = f"provider {deployment.provider!r} makes no embeddings"
        raise _nobody(asked.model, [(deployment, why)])
    for why in _keyless(found, asked, at.providers, deployment.provider).values():
        raise ConfigurationError(why)
    params = asked.params
    return make_call(
        asked,
        task,
        at,
        is_explicit=True,
        named=deployment.provider,
        candidates=tuple(found),
        reason=reason,
        input_tokens=tokens.estimate_request(params, tokens.family_of(deployment.model.id)),
        unbounded=bounds.unbounded_inputs(params),
        output_cap=0,
    )


def admit_list(asked: Arguments, task: Task[Any], at: Circumstances) -> Call:
    """Make the admitted call that asks a provider, named in place of a model, for its models.

    Raises:
        ConfigurationError: A missing key.
    """
    found = (Deployment(asked.model, LISTING),)
    for why in _keyless(found, asked, at.providers, asked.model).values():
        raise ConfigurationError(why)
    return make_call(
        asked,
        task,
        at,
        is_explicit=True,
        named=asked.model,
        candidates=found,
        reason="asked for its models",
        input_tokens=0,
        unbounded=(),
        output_cap=0,
    )


def admit_passed(asked: Arguments, task: Task[Any], at: Circumstances) -> Call:
    """Make the admitted call that is passed on to OpenAI as it is.

    Its cost has no bound, so that any budget in its scope refuses it, whatever ``unpriced`` says.

    Raises:
        NotFoundError: No provider of OpenAI's API is configured under its own name.
        ConfigurationError: A missing key.
    """
    provider = at.providers.get(OPENAI)
    if not isinstance(provider, PassesOn):
        raise NotFoundError(
            f"{asked.params['path']} is answered by OpenAI alone, and no provider {OPENAI!r} is "
            "configured: set OPENAI_API_KEY, or add an OpenAIProvider to providers=",
            sent=False,
        )
    found = (Deployment(OPENAI, Model(asked.model)),)
    for why in _keyless(found, asked, at.providers, OPENAI).values():
        raise ConfigurationError(why)
    return make_call(
        asked,
        task,
        at._replace(settings=replace(at.settings, unpriced="refuse")),
        is_explicit=True,
        named=OPENAI,
        candidates=found,
        reason="passed on as it is",
        input_tokens=0,
        unbounded=(asked.params["path"],),
        output_cap=0,
        text={},
    )


def make_call(
    asked: Arguments,
    task: Task[Any],
    at: Circumstances,
    *,
    is_explicit: bool,
    named: str | None,
    candidates: tuple[Deployment, ...],
    ruled_out: tuple[tuple[Deployment, str], ...] = (),
    fallbacks: tuple[Deployment, ...] = (),
    reason: str,
    input_tokens: int,
    unbounded: tuple[str, ...],
    output_cap: int | None,
    text: Mapping[str, Any] | None = None,
) -> Call:
    """Make a call of its parts; the rest is in the arguments and the settings.

    ``text`` is what of the parameters is sent as text and counts as input; all, if left out.
    """
    settings = at.settings
    text = asked.params if text is None else text
    timeout = at.timeout_of(asked.timeout) if asked.has_timeout else settings.timeout
    return Call(
        task=task,
        id=at.call_id,
        created=at.created,
        params=asked.params,
        requested=asked.model,
        is_explicit=is_explicit,
        named=named,
        stream=asked.stream,
        candidates=candidates,
        ruled_out=ruled_out,
        fallbacks=fallbacks,
        reason=reason,
        input_bytes=tokens.input_bound_bytes(text),
        unseen_bytes=tokens.unseen_bytes(text),
        input_tokens=input_tokens,
        unbounded=unbounded,
        output_cap=output_cap,
        n=asked.params.get("n") or 1,
        settings=settings,
        explore=asked.route.explore,
        idempotent=asked.route.idempotent is not False,
        timeout=timeout,
        deadline_s=_deadline(settings, timeout, stream=asked.stream),
        headers=asked.headers,
        query=asked.query,
    )


def eligible(
    deployments: Sequence[Deployment],
    asked: Arguments,
    input_tokens: int,
    at: Circumstances,
    keyless: Mapping[str, str],
) -> tuple[tuple[Deployment, ...], tuple[tuple[Deployment, str], ...]]:
    """Split deployments into those that can serve the request and those that cannot, with why.

    Args:
        deployments: What a name means.
        asked: The request.
        input_tokens: Estimate of its input.
        at: The providers, and whether parameters may be dropped.
        keyless: Providers that lack their key, with the reason in words.
    """
    needs = capabilities.needs(asked.params)
    cap = asked_cap(asked.params)
    is_plain = asked.params.keys() <= _PLAIN or at.settings.drop_params
    fit: list[Deployment] = []
    out: list[tuple[Deployment, str]] = []
    for deployment in deployments:
        reason = keyless.get(deployment.provider) or capabilities.ruled_out(
            deployment.model, needs, input_tokens, cap
        )
        if reason is None and not is_plain:
            seen = as_asked(asked, deployment, created=at.created)
            reason = objection_of(at.providers[deployment.provider], seen)
        if reason is None:
            fit.append(deployment)
        else:
            out.append((deployment, reason))
    # The same tuple where it can be: what is derived from it is kept for as long.
    return tuple(fit) if out else tuple(deployments), tuple(out)


def missing_key(provider: Provider, headers: Mapping[str, str]) -> str | None:
    """Say in words which key a provider lacks, ``None`` where it can be asked."""
    # Not isinstance: asking that of a protocol takes a sixth of the whole admission.
    missing = getattr(provider, "missing_key", None)  # see NeedsKey
    return None if missing is None else missing(headers)


def objection_of(provider: Provider, asked: Asked) -> str | None:
    """Say in words why a provider should not be asked, ``None`` where nothing speaks against it."""
    object_to = getattr(provider, "objection", None)  # see Judges
    return None if object_to is None else object_to(asked)


def as_asked(
    asked: Arguments,
    deployment: Deployment,
    *,
    created: float,
    drop_params: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Asked:
    """Return a call as a provider would see it, where nothing is going to be sent."""
    stream: dict[str, Any] = {"stream": True} if asked.stream else {}
    return Asked(
        params={**asked.params, **stream, "model": deployment.model.id},
        deployment=deployment,
        created=int(created),
        new_id=_plain_id,
        drop_params=drop_params,
        headers=asked.headers if headers is None else headers,
        query=asked.query,
    )


def _plain_id(prefix: str) -> str:
    return f"{prefix}0"


def _keyless(
    deployments: Iterable[Deployment],
    asked: Arguments,
    providers: Mapping[str, Provider],
    named: str | None,
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in {deployment.provider: None for deployment in deployments}:
        provider = providers[name]
        headers = headers_for(asked.headers, provider, is_named=name == named)
        if (why := missing_key(provider, headers)) is not None:
            found[name] = why
    return found


def _deadline(settings: Settings, timeout: Timeout, *, stream: bool) -> float | None:
    if settings.deadline_s is not None:
        return settings.deadline_s
    if stream or timeout.read_s is None:
        return None
    if not settings.timeout_is_per_attempt:
        return timeout.read_s
    retries = settings.max_retries
    return timeout.read_s * (retries + 1) + LONGEST_OBEYED_S * retries


def _nobody(requested: str, out: Sequence[tuple[Deployment, str]]) -> NoEligibleModelError:
    candidates = [Candidate(provider=d.provider, model=d.model.id, ruled_out=why) for d, why in out]
    reasons = "; ".join(f"{c.id}: {c.ruled_out}" for c in candidates) or "there are no candidates"
    return NoEligibleModelError(
        f"no candidate of {requested!r} can serve this request ({reasons})", candidates=candidates
    )
