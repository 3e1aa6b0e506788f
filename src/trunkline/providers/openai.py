"""OpenAI, and every server that speaks its chat dialect at another base URL.

Decides the few fields that are changed on the way; everything else goes out literally. The answer
is ``_dialect``'s, embeddings and the list of models are ``_openai_api``'s.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, ClassVar

from trunkline.types.params import CHAT_PARAMS

from ._dialect import DialectDecoder, parse_completion
from ._hosted import HostedProvider, Site
from ._natives import without_caps
from ._openai_api import (
    as_asked,
    dialect_body,
    embeddings_body,
    parse_embeddings,
    parse_models,
    without_thoughts,
)
from ._translation import Param
from .base import ProviderRequest
from .endpoint import split_headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trunkline.catalog.models import Model
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.embeddings import CreateEmbeddingResponse
    from trunkline.types.secret import Secret

    from .base import JSON, Asked, Exchange, HttpResponse, ModelsPage

# o1, o3-mini, gpt-5, gpt-5.1, gpt-6-sol, …: they know no max_tokens.
_REASONING_FAMILY = re.compile(
    r"(?:openai/|ft:)?(?:o[1-9][0-9]?(?![0-9a-z])"
    r"|gpt-(?P<major>[5-9]|[1-9][0-9])(?:\.(?P<minor>[0-9]+))?)"
)
# These always reason, also where their plain sisters can be told not to.
_ALWAYS_REASONS = re.compile(r"-(?:pro|codex)\b")
# Not while they reason, but for what they do anyway.
_NOT_WHILE_REASONING: Mapping[str, object] = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
}
_PLAIN = Param("passed")
_SAMPLING = Param("passed", "refused by OpenAI's models while they reason")


def _passed(note: str) -> Param:
    return Param("passed", note)


class OpenAIProvider(HostedProvider):
    """OpenAI's chat completions, or a compatible server's; see ``HostedProvider`` for the rest.

    Args:
        organization: Default ``OPENAI_ORG_ID``, where the base URL is OpenAI's.
        project: Default ``OPENAI_PROJECT_ID``, likewise.
        base_url: With ``/v1``.
    """

    SITE = Site(
        section="openai",
        base_url="https://api.openai.com/v1",
        key_variables=("OPENAI_API_KEY",),
        url_variable="OPENAI_BASE_URL",
    )
    PARAMS: ClassVar[Mapping[str, Param]] = {
        "audio": _PLAIN,
        "frequency_penalty": _SAMPLING,
        "function_call": _passed("old form of tool_choice"),
        "functions": _passed("old form of tools"),
        "logit_bias": _SAMPLING,
        "logprobs": _SAMPLING,
        "max_completion_tokens": _PLAIN,
        "max_tokens": _passed("to models that reason as `max_completion_tokens`"),
        "metadata": _PLAIN,
        "modalities": _PLAIN,
        "moderation": _PLAIN,
        "n": _PLAIN,
        "parallel_tool_calls": _PLAIN,
        "prediction": _PLAIN,
        "presence_penalty": _SAMPLING,
        "prompt_cache_key": _PLAIN,
        "prompt_cache_options": _PLAIN,
        "prompt_cache_retention": _PLAIN,
        "reasoning_effort": _PLAIN,
        "response_format": _PLAIN,
        "safety_identifier": _PLAIN,
        "seed": _passed("best effort"),
        "service_tier": _PLAIN,
        "stop": _passed("4 at most"),
        "store": _PLAIN,
        "temperature": _SAMPLING,
        "tool_choice": _PLAIN,
        "tools": _PLAIN,
        "top_logprobs": _SAMPLING,
        "top_p": _SAMPLING,
        "user": _PLAIN,
        "verbosity": _PLAIN,
        "web_search_options": _PLAIN,
    }

    def __init__(
        self,
        name: str | None = None,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        models: Sequence[Model | str] = (),
        section: str | None = "openai",
        trust_base_url: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        super().__init__(
            name,
            api_key=api_key,
            base_url=base_url,
            default_headers=default_headers,
            default_query=default_query,
            models=models,
            section=section,
            trust_base_url=trust_base_url,
            environ=environ,
        )
        if self._is_official:
            organization = organization or environ.get("OPENAI_ORG_ID")
            project = project or environ.get("OPENAI_PROJECT_ID")
        account = {"openai-organization": organization, "openai-project": project}
        checked, _ = split_headers({k: v for k, v in account.items() if v}, None)
        # Headers given by name win over the account's.
        self._headers = {**dict(checked), **self._headers}

    def build_request(self, asked: Asked) -> ProviderRequest:
        """Pass the call on literally; see ``base.Provider``.

        Raises:
            ConfigurationError: No key for OpenAI's own host.
            BadRequestError: The parameters cannot be written as JSON.
        """
        body, adjusted = self._body(asked)
        http = self.http(asked, "/chat/completions", body)
        exchange = asked.exchange(choices=body.get("n"), tier=body.get("service_tier"))
        return ProviderRequest(http, exchange, adjusted)

    def objection(self, asked: Asked) -> str | None:
        """Say which parameters OpenAI will refuse of this model; see ``base.Judges``.

        Only who may choose another model asks: ``build_request`` passes them on literally.
        """
        family = _family(asked)
        if family is None or asked.drop_params:
            return None
        params, model = asked.params, asked.deployment.model.id
        named = [
            name for name in _refused(params, family) if params[name] != _NOT_WHILE_REASONING[name]
        ]
        return f"{model} takes no {', '.join(named)} while it reasons" if named else None

    def parse(self, response: HttpResponse, exchange: Exchange) -> ChatCompletion:
        """Read a whole answer; see ``base.Provider``."""
        return parse_completion(response, exchange, self.source)

    def decoder(self, exchange: Exchange) -> DialectDecoder:
        """Start reading a stream."""
        return DialectDecoder(exchange, self.source)

    def build_embeddings(self, asked: Asked) -> ProviderRequest:
        """Pass an embeddings call on literally; see ``base.Embeds``.

        https://platform.openai.com/docs/api-reference/embeddings/create

        Raises:
            ConfigurationError: No key for OpenAI's own host.
            BadRequestError: The parameters cannot be written as JSON.
        """
        body, state = embeddings_body(asked)
        return ProviderRequest(self.http(asked, "/embeddings", body), asked.exchange(**state))

    def parse_embeddings(
        self, response: HttpResponse, exchange: Exchange
    ) -> CreateEmbeddingResponse:
        """Read a whole answer; see ``base.Embeds``."""
        return parse_embeddings(response, exchange, self.source)

    def build_models(self, asked: Asked, cursor: str | None) -> ProviderRequest:  # noqa: ARG002
        """Ask for the list of models, which is one page.

        https://platform.openai.com/docs/api-reference/models/list
        """
        return ProviderRequest(self.http(asked, "/models", None), asked.exchange())

    def parse_models(self, response: HttpResponse, exchange: Exchange) -> ModelsPage:
        """Read the list; prices and limits are the catalogue's, OpenAI names none."""
        return parse_models(response, exchange, self.source)

    def pass_on(self, asked: Asked) -> ProviderRequest:
        """Ask for what we have no words for, literally; see ``base.PassesOn``.

        Raises:
            ConfigurationError: No key for OpenAI's own host.
        """
        return ProviderRequest(self.http_literally(asked), asked.exchange())

    def _body(self, asked: Asked) -> tuple[JSON, tuple[str, ...]]:
        body = dialect_body(asked)
        adjusted: list[str] = []
        if not body.keys() <= CHAT_PARAMS:
            own = {name: body.pop(name) for name in list(body) if name not in CHAT_PARAMS}
            own, adjusted = without_caps(own, asked, self.name)
            body |= own
        if self._is_official and (given_messages := body.get("messages")):
            body["messages"] = [as_asked(message) for message in given_messages]
            adjusted += without_thoughts(body["messages"], "OpenAI")
        family = _family(asked)
        if family is not None and asked.drop_params:
            adjusted += _without_sampling(body, family)
        given = body.get("max_tokens")
        if body.get("max_completion_tokens") is None and given is None:
            if asked.output_cap is not None:
                name = "max_tokens" if family is None else "max_completion_tokens"
                body[name] = asked.output_cap
        elif self._is_official and given is not None:
            adjusted += _by_one_name(body, has_new_one=family is not None)
        return body, tuple(adjusted)


def _by_one_name(body: JSON, *, has_new_one: bool) -> list[str]:
    """Say the cap by one name, which is all that OpenAI takes; says what was changed."""
    given = body["max_tokens"]
    if body.get("max_completion_tokens") is not None:
        del body["max_tokens"]
        return [f"max_tokens={given} left out: max_completion_tokens is sent"]
    if not has_new_one:
        return []
    body["max_completion_tokens"] = body.pop("max_tokens")
    return [f"max_tokens={given} sent as max_completion_tokens"]


def _family(asked: Asked) -> re.Match[str] | None:
    return _REASONING_FAMILY.match(asked.deployment.model.id.lower())


def _refused(params: Mapping[str, Any], family: re.Match[str]) -> list[str]:
    """Name what was given of what a model refuses while it reasons, if it will."""
    if not _will_reason(family, params.get("reasoning_effort")):
        return []
    return [name for name in _NOT_WHILE_REASONING if params.get(name) is not None]


def _without_sampling(body: JSON, family: re.Match[str]) -> list[str]:
    """Drop what a model refuses while it reasons, if it will; says what."""
    dropped = _refused(body, family)
    for name in dropped:
        del body[name]
    return [f"{name} dropped: {body['model']} takes none while it reasons" for name in dropped]


def _will_reason(family: re.Match[str], effort: object) -> bool:
    """Say whether a model of a reasoning family will reason at this effort.

    https://platform.openai.com/docs/guides/latest-model: the o-series, gpt-5 and the pro and codex
    models always do; gpt-5.1 to 5.4 where they are asked to; from gpt-5.5 on all do unless told not
    to; those named chat do not.
    """
    if family["major"] is None:
        return True
    model = family.string.removeprefix("ft:").partition(":")[0]
    if "-chat" in model:
        return False
    version = (int(family["major"]), int(family["minor"] or 0))
    if version == (5, 0) or _ALWAYS_REASONS.search(model):
        return True
    return effort != "none" and (version >= (5, 5) or effort is not None)
