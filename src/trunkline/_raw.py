"""``with_raw_response``: an answer together with headers, status and body, as the SDK gives it.

The answer was read already, and may have come in another dialect, from another process or from this
one: the headers are what its routing says, and the body is the answer in OpenAI's shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, cast, overload

from pydantic_core import from_json

from trunkline._streams import AsyncStream, Stream
from trunkline._structured import expected
from trunkline.errors import ConfigurationError
from trunkline.types.headers import routing_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trunkline._asking import AsyncCompletions, AsyncEmbeddings, Completions, Embeddings
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.embeddings import CreateEmbeddingResponse
    from trunkline.types.params import ChatParams, EmbeddingParams, ParseParams
    from trunkline.types.parsed import ParsedChatCompletion
    from trunkline.types.routing import Routing

    Whole = ChatCompletion | CreateEmbeddingResponse
    Messages = Iterable[Any]
    Input = str | Iterable[str] | Iterable[int] | Iterable[Iterable[int]]

R = TypeVar("R")
T = TypeVar("T")


class Headers(Mapping[str, str]):
    """Response headers, whose names are the same in any case."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = {name.lower(): value for name, value in named.items()}

    def __getitem__(self, name: str) -> str:
        return self._named[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._named

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._named!r})"


class RawResponse(Generic[R]):
    """An answer with its headers; ``parse()`` gives what the call without ``raw`` returns.

    Attributes:
        headers: ``x-request-id``, ``content-type``, ``x-trunkline-…`` for the routing, and those
            of the provider's that are about the answer, such as rate limits.
        status_code: 200; whatever is no answer is raised.
    """

    status_code = 200

    def __init__(
        self, answer: Whole | Stream | AsyncStream, read: Callable[[Any], R] | None = None
    ) -> None:
        self._answer = answer
        self._read = read
        self._parsed: R | None = None
        stream = answer if isinstance(answer, Stream | AsyncStream) else None
        named = routing_headers(answer.routing, request_id=stream.request_id if stream else None)
        kind = "application/json" if stream is None else "text/event-stream; charset=utf-8"
        self.headers = Headers({**answer.response_headers, "content-type": kind, **named})

    @property
    def routing(self) -> Routing:
        """Why this model, what was predicted, what happened."""
        return self._answer.routing

    @property
    def request_id(self) -> str | None:
        """The provider's id of the exchange, else our id of the call."""
        return self.headers.get("x-request-id")

    @property
    def retries_taken(self) -> int:
        """How many exchanges failed before the one that brought the answer, fallbacks included."""
        return int(self.headers["x-trunkline-attempts"]) - 1

    @property
    def elapsed(self) -> timedelta:
        """Seconds of the exchange that brought the answer; of a stream, as far as it was read."""
        return timedelta(seconds=self.routing.actual.latency_s or 0.0)

    @property
    def text(self) -> str:
        """The answer as JSON in OpenAI's shape, be the provider's what it may.

        Raises:
            ConfigurationError: It is streamed.
        """
        if isinstance(self._answer, Stream | AsyncStream):
            raise ConfigurationError("a streamed answer has no body here: iterate over .parse()")
        return self._answer.to_json(indent=None)

    @property
    def content(self) -> bytes:
        """``text`` in UTF-8."""
        return self.text.encode()

    def json(self) -> Any:
        """Return ``text`` as plain dicts and lists."""
        return from_json(self.text)

    def parse(self) -> R:
        """Return the answer: a completion, vectors, or a stream.

        Raises:
            UnparsedAnswerError: Of ``with_raw_response.parse``: it cannot be read as asked.
        """
        if self._parsed is None:
            answer = cast("R", self._answer)
            self._parsed = answer if self._read is None else self._read(answer)
        return self._parsed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.headers['content-type']}>"


class CompletionsWithRawResponse:
    """``router.chat.completions.with_raw_response``."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions

    @overload
    def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> RawResponse[ChatCompletion]: ...

    @overload
    def create(
        self, *, messages: Messages, model: str, stream: Literal[True], **params: Unpack[ChatParams]
    ) -> RawResponse[Stream]: ...

    @overload
    def create(
        self, *, messages: Messages, model: str, stream: bool, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[Stream]: ...

    def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: bool | None = None,
        **params: Unpack[ChatParams],
    ) -> RawResponse[ChatCompletion] | RawResponse[Stream]:
        """Answer a conversation, as ``create`` without ``raw`` does, and keep the headers."""
        return RawResponse(
            self._completions.create(messages=messages, model=model, stream=bool(stream), **params)
        )

    @overload
    def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: type[T],
        **params: Unpack[ParseParams],
    ) -> RawResponse[ParsedChatCompletion[T]]: ...

    @overload
    def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[ParseParams],
    ) -> RawResponse[ParsedChatCompletion[None]]: ...

    def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Any = None,
        **params: Unpack[ParseParams],
    ) -> RawResponse[ParsedChatCompletion[Any]]:
        """Answer in the caller's type; the answer is read when ``parse()`` is called on it."""
        wanted = expected(response_format, params, only_strict=True)
        given = cast("ChatParams", {**params, **wanted.params})
        answer = self._completions.create(messages=messages, model=model, **given)
        return RawResponse(answer, wanted.parsed)


class AsyncCompletionsWithRawResponse:
    """``router.chat.completions.with_raw_response`` of an ``AsyncRouter``."""

    def __init__(self, completions: AsyncCompletions) -> None:
        self._completions = completions

    @overload
    async def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> RawResponse[ChatCompletion]: ...

    @overload
    async def create(
        self, *, messages: Messages, model: str, stream: Literal[True], **params: Unpack[ChatParams]
    ) -> RawResponse[AsyncStream]: ...

    @overload
    async def create(
        self, *, messages: Messages, model: str, stream: bool, **params: Unpack[ChatParams]
    ) -> RawResponse[ChatCompletion] | RawResponse[AsyncStream]: ...

    async def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: bool | None = None,
        **params: Unpack[ChatParams],
    ) -> RawResponse[ChatCompletion] | RawResponse[AsyncStream]:
        """Answer a conversation, as ``create`` without ``raw`` does, and keep the headers."""
        return RawResponse(
            await self._completions.create(
                messages=messages, model=model, stream=bool(stream), **params
            )
        )

    @overload
    async def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: type[T],
        **params: Unpack[ParseParams],
    ) -> RawResponse[ParsedChatCompletion[T]]: ...

    @overload
    async def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[ParseParams],
    ) -> RawResponse[ParsedChatCompletion[None]]: ...

    async def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Any = None,
        **params: Unpack[ParseParams],
    ) -> RawResponse[ParsedChatCompletion[Any]]:
        """Answer in the caller's type; the answer is read when ``parse()`` is called on it."""
        wanted = expected(response_format, params, only_strict=True)
        given = cast("ChatParams", {**params, **wanted.params})
        answer = await self._completions.create(messages=messages, model=model, **given)
        return RawResponse(answer, wanted.parsed)


class EmbeddingsWithRawResponse:
    """``router.embeddings.with_raw_response``."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    def create(
        self, *, input: Input, model: str, **params: Unpack[EmbeddingParams]
    ) -> RawResponse[CreateEmbeddingResponse]:
        """Turn texts into vectors, as ``create`` without ``raw`` does, and keep the headers."""
        return RawResponse(self._embeddings.create(input=input, model=model, **params))


class AsyncEmbeddingsWithRawResponse:
    """``router.embeddings.with_raw_response`` of an ``AsyncRouter``."""

    def __init__(self, embeddings: AsyncEmbeddings) -> None:
        self._embeddings = embeddings

    async def create(
        self, *, input: Input, model: str, **params: Unpack[EmbeddingParams]
    ) -> RawResponse[CreateEmbeddingResponse]:
        """Turn texts into vectors, as ``create`` without ``raw`` does, and keep the headers."""
        return RawResponse(await self._embeddings.create(input=input, model=model, **params))
