"""The parameters of chat and embeddings, as OpenAI names and means them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trunkline.types.routing import RouteOptions

Message = dict[str, Any]


class ParseParams(TypedDict, total=False):
    """Everything ``parse`` takes besides ``model``, ``messages`` and ``response_format``.

    ``None`` is sent as null, an omitted key is not sent.
    """

    audio: Any
    frequency_penalty: float | None
    function_call: Any
    functions: Iterable[Mapping[str, Any]]
    logit_bias: Mapping[str, int] | None
    logprobs: bool | None
    max_completion_tokens: int | None
    max_tokens: int | None
    metadata: Mapping[str, str] | None
    modalities: Sequence[str] | None
    moderation: Any
    n: int | None
    parallel_tool_calls: bool
    prediction: Any
    presence_penalty: float | None
    prompt_cache_key: str
    prompt_cache_options: Any
    prompt_cache_retention: str | None
    reasoning_effort: str | None
    safety_identifier: str
    seed: int | None
    service_tier: str | None
    stop: str | Sequence[str] | None
    store: bool | None
    stream_options: Mapping[str, Any] | None
    temperature: float | None
    tool_choice: Any
    tools: Iterable[Mapping[str, Any]]
    top_logprobs: int | None
    top_p: float | None
    user: str
    verbosity: str | None
    web_search_options: Any
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, Any] | None
    timeout: Any
    route: RouteOptions | None


class ChatParams(ParseParams, total=False):
    """Everything ``create`` takes besides ``model``, ``messages`` and ``stream``.

    ``None`` is sent as null, an omitted key is not sent.
    """

    response_format: Any


class EmbeddingParams(TypedDict, total=False):
    """Everything ``embeddings.create`` takes besides ``model`` and ``input``.

    ``None`` is sent as null, an omitted key is not sent.
    """

    dimensions: int | None
    encoding_format: Literal["float", "base64"] | None
    user: str
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, Any] | None
    timeout: Any
    route: RouteOptions | None


TRANSPORT_PARAMS = frozenset({"extra_headers", "extra_query", "extra_body", "timeout", "route"})
"""What steers the call and is no part of the request's own fields."""

CHAT_PARAMS = frozenset(ChatParams.__annotations__) - TRANSPORT_PARAMS | {
    "model",
    "messages",
    "stream",
}
"""The request's own fields, all of OpenAI's."""

EMBEDDING_PARAMS = frozenset(EmbeddingParams.__annotations__) - TRANSPORT_PARAMS | {
    "model",
    "input",
}
"""The same of ``embeddings.create``."""
