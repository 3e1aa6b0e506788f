"""OpenAI, and every server that speaks its chat dialect at another base URL.

Decides the request: URL, headers, which key may go where, and the few fields that are changed on
the way. The answer is ``_dialect``'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_json

from trunkline.errors import BadRequestError, ConfigurationError

from ._dialect import DialectDecoder, parse_completion
from ._failures import Source, failure
from ._shapes import is_list
from .base import HttpRequest, ProviderRequest
from .endpoint import (
    check_base_url,
    check_name,
    declared,
    host_of,
    scrub,
    secret,
    split_headers,
    with_query,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.catalog.models import Model
    from trunkline.errors import APIError
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.secret import Secret

    from .base import JSON, Asked, Exchange, HttpResponse

OFFICIAL_BASE_URL = "https://api.openai.com/v1"
_OFFICIAL_HOST = "api.openai.com"
# o1, o3-mini, gpt-5, gpt-5.1, gpt-6-sol, …: they know no max_tokens.
_REASONING_FAMILY = re.compile(
    r"(?:openai/|ft:)?(?:o[1-9][0-9]?(?![0-9a-z])|gpt-(?:[5-9]|[1-9][0-9]))"
)


class OpenAIProvider:
    """OpenAI's chat completions, or a compatible server's.

    Args:
        name: Name in ``provider/model``, scopes and errors.
        api_key: Default ``OPENAI_API_KEY``, which goes only to OpenAI's own host or to
            ``OPENAI_BASE_URL``: a ``base_url`` given here needs its own key, if any.
        base_url: With ``/v1``. Default ``OPENAI_BASE_URL``, else OpenAI's.
        organization: Default ``OPENAI_ORG_ID``, where the base URL is OpenAI's.
        project: Default ``OPENAI_PROJECT_ID``, likewise.
        default_headers: Sent with every request; ``Authorization`` or ``x-openai-key`` among them
            is the key, other providers' keys are dropped.
        default_query: Added to every URL.
        models: Models beyond the catalogue's.
        section: Section of the catalogue its models are looked up in, ``None`` for none.
        trust_base_url: Allow plain http to another machine, and link-local addresses.

    Raises:
        ConfigurationError: An argument no request could be made with, by name.
    """

    def __init__(
        self,
        name: str = "openai",
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
        from_environment = base_url is None
        self.name = check_name(name)
        self.section = section
        self.models = declared(models)
        self.base_url = check_base_url(
            base_url or environ.get("OPENAI_BASE_URL") or OFFICIAL_BASE_URL, trusted=trust_base_url
        )
        self._is_official = host_of(self.base_url) == _OFFICIAL_HOST
        headers, key = split_headers(default_headers or {}, "openai")
        self.key: Secret | None = secret(api_key) or key
        if self.key is None and (from_environment or self._is_official):
            self.key = secret(environ.get("OPENAI_API_KEY"), name="OPENAI_API_KEY")
        if self._is_official:
            organization = organization or environ.get("OPENAI_ORG_ID")
            project = project or environ.get("OPENAI_PROJECT_ID")
        account = {"openai-organization": organization, "openai-project": project}
        checked, _ = split_headers({k: v for k, v in account.items() if v}, None)
        self._headers = dict((("content-type", "application/json"), *checked, *headers))
        self._url = f"{self.base_url}/chat/completions"
        self._query = dict(default_query or {})
        self._source = Source(self.name, (self.key,))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, base_url={self.base_url!r}, "
            f"models={len(self.models)}, key={self.key})"
        )

    def build_request(self, asked: Asked) -> ProviderRequest:
        """Pass the call on literally; see ``base.Provider``.

        Raises:
            ConfigurationError: No key for OpenAI's own host.
            BadRequestError: The parameters cannot be written as JSON.
        """
        headers, key = dict(self._headers), self.key
        if asked.headers:
            extra, own = split_headers(asked.headers, "openai")
            headers.update(extra)
            key = own or key
        if key is not None:
            headers["authorization"] = f"Bearer {key.reveal()}"
        elif self._is_official:
            raise ConfigurationError(
                f"provider {self.name!r} has no key: set OPENAI_API_KEY or give api_key="
            )
        body, adjusted = self._body(asked)
        url = with_query(self._url, self._query, asked.query)
        return ProviderRequest(
            HttpRequest(
                "POST", url, tuple(headers.items()), encode(body, asked.deployment.id, self.key)
            ),
            asked.exchange(),
            adjusted,
        )

    def parse(self, response: HttpResponse, exchange: Exchange) -> ChatCompletion:
        """Read a whole answer; see ``base.Provider``."""
        return parse_completion(response, exchange, self._source)

    def decoder(self, exchange: Exchange) -> DialectDecoder:
        """Start reading a stream."""
        return DialectDecoder(exchange, self._source)

    def failure(self, response: HttpResponse, exchange: Exchange) -> APIError:
        """Map an error answer."""
        return failure(response, exchange, self._source)

    def _body(self, asked: Asked) -> tuple[JSON, tuple[str, ...]]:
        body = dialect_body(asked)
        reasons = _REASONING_FAMILY.match(asked.deployment.model.id.lower()) is not None
        adjusted: tuple[str, ...] = ()
        given = body.get("max_tokens")
        if body.get("max_completion_tokens") is None and given is None:
            if asked.output_cap is not None:
                body["max_completion_tokens" if reasons else "max_tokens"] = asked.output_cap
        elif reasons and self._is_official and "max_completion_tokens" not in body:
            body["max_completion_tokens"] = body.pop("max_tokens")
            adjusted = (f"max_tokens={given} sent as max_completion_tokens",)
        return body, adjusted


def dialect_body(asked: Asked) -> JSON:
    """Return the request's fields as the dialect takes them, usage asked for in streams."""
    body = dict(asked.params)
    body["model"] = asked.deployment.model.id
    if asked.stream:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    messages = body.get("messages")
    if is_list(messages):
        body["messages"] = [m if isinstance(m, dict) else _replayed(m) for m in messages]
    return body


def encode(body: JSON, deployment: str, key: Secret | None = None) -> bytes:
    """Write a request's body.

    Raises:
        BadRequestError: It holds what JSON cannot, e.g. lone surrogates or objects of own classes.
    """
    try:
        return to_json(body)
    except (ValueError, RecursionError) as error:
        why = scrub(str(error), (key,))[:200]
        raise BadRequestError(
            f"the request to {deployment} cannot be written as JSON: {why}",
            model=deployment,
            sent=False,
            should_retry=False,
        ) from None


def _replayed(message: Any) -> Any:
    """Turn a message of an answer into what may be sent back: only what the provider had set."""
    if not isinstance(message, BaseModel):
        return message
    sent_back = message.model_dump(exclude_unset=True, exclude_none=True)
    # OpenAI has no such field and refuses it; who wants it replayed passes a dict.
    sent_back.pop("reasoning_content", None)
    sent_back.setdefault("role", "assistant")
    return sent_back
