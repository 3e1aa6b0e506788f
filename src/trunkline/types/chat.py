"""OpenAI-shaped chat types; unknown fields are kept, so nothing a provider says is lost.

Shapes: https://platform.openai.com/docs/api-reference/chat. Parse with
``model_validate_json(bytes)``, the fastest way in; ``usage`` is read apart from the rest, because a
paid answer with a bad bill is still an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WrapValidator,
)

from .money import MAX_TOKENS_BELIEVED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trunkline.types.routing import Routing

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class Shape(BaseModel):
    """Base of what providers say: unknown fields are kept, dumps are the SDK's."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    def to_dict(
        self,
        *,
        mode: Literal["json", "python"] = "python",
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> dict[str, object]:
        """Return what the provider said as a dict, as the SDK's objects do."""
        return self.model_dump(
            mode=mode,
            by_alias=use_api_names,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )

    def to_json(
        self,
        *,
        indent: int | None = 2,
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> str:
        """Return what the provider said as JSON, as the SDK's objects do."""
        return self.model_dump_json(
            indent=indent,
            by_alias=use_api_names,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )


def _count(value: Any) -> Any:
    # pydantic would take "5" and True for counts; a bill is not the place to guess.
    if isinstance(value, bool | str):
        raise ValueError("a token count must be a number")  # noqa: TRY004  # pydantic wants ValueError
    return value


TokenCount = Annotated[int, BeforeValidator(_count), Field(ge=0, le=MAX_TOKENS_BELIEVED)]


class PromptTokensDetails(Shape):
    """Parts of ``prompt_tokens``."""

    cached_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None
    audio_tokens: TokenCount | None = None
    image_tokens: Any = None
    text_tokens: Any = None


class CompletionTokensDetails(Shape):
    """Parts of ``completion_tokens``."""

    reasoning_tokens: TokenCount | None = None
    audio_tokens: TokenCount | None = None
    accepted_prediction_tokens: TokenCount | None = None
    rejected_prediction_tokens: TokenCount | None = None
    text_tokens: Any = None


class Usage(Shape):
    """What an exchange used, in tokens; cached and reasoning tokens are inside the two sums."""

    prompt_tokens: TokenCount
    completion_tokens: TokenCount
    total_tokens: TokenCount
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Input tokens read from the provider's prompt cache."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0

    @property
    def cache_write_tokens(self) -> int:
        """Input tokens written to the provider's prompt cache."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cache_write_tokens) or 0

    @property
    def reasoning_tokens(self) -> int:
        """Output tokens spent on reasoning."""
        return (
            self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens
        ) or 0


def none_if_invalid(value: Any, parse: Callable[[Any], Any]) -> Any:
    """Read untrusted usage: what cannot be believed counts as missing, settled as an estimate."""
    try:
        return parse(value)
    except ValidationError:
        return None


UntrustedUsage = Annotated[Usage | None, WrapValidator(none_if_invalid)]


class FunctionCall(Shape):
    """Name and arguments (a JSON string, passed on as the model wrote it)."""

    name: str
    arguments: str


class ToolCall(Shape):
    """One call that the model asks for; ``function`` is ``None`` for custom tools only."""

    id: str
    type: str = "function"
    function: FunctionCall | None = None


class ChatCompletionAudio(Shape):
    """What the model said aloud; ``data`` is base64."""

    id: str
    data: str
    expires_at: int
    transcript: str


class URLCitation(Shape):
    """Where a part of the text comes from."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Shape):
    """A note of the provider on a part of the text."""

    type: str
    url_citation: URLCitation


# Of a shape where it is OpenAI's; another one is kept as it came, for the answer is paid for.
Audio = Annotated[ChatCompletionAudio | Any, Field(union_mode="left_to_right")]
Annotations = Annotated[list[Annotation] | Any, Field(union_mode="left_to_right")]


class ChatCompletionMessage(Shape):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    audio: Audio = None
    annotations: Annotations = None


class Choice(Shape):
    """One of ``n`` answers."""

    index: int = 0
    message: ChatCompletionMessage
    finish_reason: FinishReason
    logprobs: Any = None


class Routed(Shape):
    """Base of whole answers, which tell how they came about."""

    _routing: Routing | None = PrivateAttr(default=None)
    _request_id: str | None = PrivateAttr(default=None)
    _response_headers: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def routing(self) -> Routing:
        """Why this model, what was predicted, what happened; not part of ``model_dump()``."""
        if self._routing is None:
            raise AttributeError("this answer did not come from a Router, so it has no routing")
        return self._routing

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The provider's response headers that are about the answer, such as rate limits."""
        return self._response_headers

    def attach_routing(
        self, routing: Routing, response_headers: Mapping[str, str] | None = None
    ) -> None:
        """Take the record of how this answer came about; the Router does it."""
        self._routing = routing
        self._response_headers = response_headers or {}
        # The SDK's name for the provider's id of the request; documented there, so read by many.
        self._request_id = routing.attempts[-1].request_id if routing.attempts else None


class ChatCompletion(Routed):
    """A whole answer; ``routing`` tells how it came about."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice] = Field(min_length=1)
    usage: UntrustedUsage = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    metadata: Any = None
    moderation: Any = None


class FunctionCallDelta(Shape):
    """A piece of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Shape):
    """A piece of a tool call; ``id`` and name come once, with the first piece of an index."""

    index: int
    id: str | None = None
    type: str | None = None
    function: FunctionCallDelta | None = None


class AudioDelta(Shape):
    """A piece of what the model says aloud."""

    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


class ChoiceDelta(Shape):
    """What one chunk adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionCallDelta | None = None
    reasoning_content: str | None = None
    audio: Annotated[AudioDelta | Any, Field(union_mode="left_to_right")] = None


class ChunkChoice(Shape):
    """One choice's part of a chunk."""

    index: int = 0
    delta: ChoiceDelta
    finish_reason: FinishReason | None = None
    logprobs: Any = None


class ChatCompletionChunk(Shape):
    """A piece of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: UntrustedUsage = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    moderation: Any = None
    obfuscation: Any = None
