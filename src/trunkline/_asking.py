"""What asks a model: ``router.chat.completions`` and ``router.embeddings``.

Thin typed shells, a synchronous and an asynchronous one each. All logic is in the coroutine they
call: driven to its end here, awaited there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from trunkline import _pipeline
from trunkline._event_streams import (
    AsyncChatCompletionStreamManager,
    ChatCompletionStreamManager,
)
from trunkline._io.blocking import run_to_completion
from trunkline._raw import (
    AsyncCompletionsWithRawResponse,
    AsyncEmbeddingsWithRawResponse,
    CompletionsWithRawResponse,
    EmbeddingsWithRawResponse,
)
from trunkline._streams import AsyncStream, Stream, StreamCore
from trunkline._structured import expected
from trunkline._tasks import CHAT, EMBEDDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.embeddings import CreateEmbeddingResponse
    from trunkline.types.params import ChatParams, EmbeddingParams, ParseParams
    from trunkline.types.parsed import ParsedChatCompletion

    Messages = Iterable[Any]
    Input = str | Iterable[str] | Iterable[int] | Iterable[Iterable[int]]

T = TypeVar("T")


class Completions:
    """``router.chat.completions``."""

    def __init__(self, io: IO, engine: Engine, scoped: Callable[[], Settings]) -> None:
        self._io, self._engine, self._scoped = io, engine, scoped

    @overload
    def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...

    @overload
    def create(
        self, *, messages: Messages, model: str, stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Stream: ...

    @overload
    def create(
        self, *, messages: Messages, model: str, stream: bool, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream: ...

    def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: bool | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion | Stream:
        """Answer a conversation; every parameter is OpenAI's, with its meaning.

        Args:
            messages: OpenAI's message dicts, or the message objects of earlier answers.
            model: A model's name, ``"provider/model"``, ``"auto"`` or an alias.
            stream: Return a ``Stream`` of chunks; it starts at the first content.
            **params: See ``ChatParams``; ``route=RouteOptions(...)`` steers the routing.

        Raises:
            ConfigurationError: An argument or a name is wrong; nothing was sent.
            BudgetExceededError: The worst case does not fit a budget; nothing was sent.
            NoEligibleModelError: Nobody can serve it; nothing was sent.
            APIError: The provider failed, after retries and fallbacks; ``.attempts`` tells.
            StorageError: The ledger cannot be written; nothing was sent.
        """
        given = {**params, "messages": messages, "model": model, "stream": stream}
        answer = run_to_completion(
            _pipeline.create(self._engine, self._io, self._scoped(), given, CHAT)
        )
        return Stream(answer) if isinstance(answer, StreamCore) else answer

    @overload
    def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: type[T],
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[T]: ...

    @overload
    def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[None]: ...

    def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Any = None,
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[Any]:
        """Answer a conversation in the caller's type; everything else is as in ``create``.

        Args:
            messages: As in ``create``.
            model: As in ``create``.
            response_format: A pydantic model, a dataclass or a TypedDict: the model is asked for
                its JSON schema, and ``choices[0].message.parsed`` is an instance; ``None`` where
                the model refused. A dict is OpenAI's, and nothing is read.
            **params: As in ``create``. ``tools`` must be strict, those of
                ``pydantic_function_tool`` are: each call's ``function.parsed_arguments`` is read.

        Raises:
            LengthFinishReasonError: The answer was cut at its length limit; like the two that
                follow it is raised after the answer was paid for, and ``.completion`` is it.
            ContentFilterFinishReasonError: A filter cut it.
            AnswerMismatchError: It is not of the type asked for.
            ConfigurationError: A type without schema, or a tool that is not strict.
            TrunklineError: As in ``create``.
        """
        wanted = expected(response_format, params, only_strict=True)
        given = cast("ChatParams", {**params, **wanted.params})
        answer = self.create(messages=messages, model=model, **given)
        return wanted.parsed(answer)

    @overload
    def stream(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: type[T],
        **params: Unpack[ParseParams],
    ) -> ChatCompletionStreamManager[T]: ...

    @overload
    def stream(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[ParseParams],
    ) -> ChatCompletionStreamManager[None]: ...

    def stream(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Any = None,
        **params: Unpack[ParseParams],
    ) -> ChatCompletionStreamManager[Any]:
        """Stream an answer as typed events: ``with router.chat.completions.stream(...) as stream``.

        The request is sent where the block is entered, and the stream is closed where it is left.

        Args:
            messages: As in ``create``.
            model: As in ``create``.
            response_format: As in ``parse``; ``get_final_completion()`` has it read, and the event
                ``content.done``.
            **params: As in ``create``; calls of strict tools are read.

        Raises:
            ConfigurationError: A type without schema; nothing was sent.
        """
        wanted = expected(response_format, params, only_strict=False)
        given = cast("ChatParams", {**params, **wanted.params})

        def ask() -> Stream:
            answer: Stream = self.create(messages=messages, model=model, stream=True, **given)
            return answer

        return ChatCompletionStreamManager(ask, wanted)

    @property
    def with_raw_response(self) -> CompletionsWithRawResponse:
        """The same calls, for who wants the headers too: ``request_id``, cost, attempts."""
        return CompletionsWithRawResponse(self)


class AsyncCompletions:
    """``router.chat.completions`` of an ``AsyncRouter``."""

    def __init__(self, io: IO, engine: Engine, scoped: Callable[[], Settings]) -> None:
        self._io, self._engine, self._scoped = io, engine, scoped

    @overload
    async def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: Literal[False] | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self, *, messages: Messages, model: str, stream: Literal[True], **params: Unpack[ChatParams]
    ) -> AsyncStream: ...

    @overload
    async def create(
        self, *, messages: Messages, model: str, stream: bool, **params: Unpack[ChatParams]
    ) -> ChatCompletion | AsyncStream: ...

    async def create(
        self,
        *,
        messages: Messages,
        model: str,
        stream: bool | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion | AsyncStream:
        """Answer a conversation; as ``Router.chat.completions.create``, awaited."""
        given = {**params, "messages": messages, "model": model, "stream": stream}
        answer = await _pipeline.create(self._engine, self._io, self._scoped(), given, CHAT)
        return AsyncStream(answer) if isinstance(answer, StreamCore) else answer

    @overload
    async def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: type[T],
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[T]: ...

    @overload
    async def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[None]: ...

    async def parse(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Any = None,
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[Any]:
        """Answer a conversation in the caller's type; as of ``Router``, awaited."""
        wanted = expected(response_format, params, only_strict=True)
        given = cast("ChatParams", {**params, **wanted.params})
        answer = await self.create(messages=messages, model=model, **given)
        return wanted.parsed(answer)

    @overload
    def stream(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: type[T],
        **params: Unpack[ParseParams],
    ) -> AsyncChatCompletionStreamManager[T]: ...

    @overload
    def stream(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[ParseParams],
    ) -> AsyncChatCompletionStreamManager[None]: ...

    def stream(
        self,
        *,
        messages: Messages,
        model: str,
        response_format: Any = None,
        **params: Unpack[ParseParams],
    ) -> AsyncChatCompletionStreamManager[Any]:
        """Stream an answer as typed events: ``async with router.chat.completions.stream(...)``."""
        wanted = expected(response_format, params, only_strict=False)
        given = cast("ChatParams", {**params, **wanted.params})

        async def ask() -> AsyncStream:
            answer: AsyncStream = await self.create(
                messages=messages, model=model, stream=True, **given
            )
            return answer

        return AsyncChatCompletionStreamManager(ask, wanted)

    @property
    def with_raw_response(self) -> AsyncCompletionsWithRawResponse:
        """The same calls, for who wants the headers too: ``request_id``, cost, attempts."""
        return AsyncCompletionsWithRawResponse(self)


class Chat:
    """``router.chat``."""

    def __init__(self, io: IO, engine: Engine, scoped: Callable[[], Settings]) -> None:
        self.completions = Completions(io, engine, scoped)


class AsyncChat:
    """``router.chat`` of an ``AsyncRouter``."""

    def __init__(self, io: IO, engine: Engine, scoped: Callable[[], Settings]) -> None:
        self.completions = AsyncCompletions(io, engine, scoped)


class Embeddings:
    """``router.embeddings``."""

    def __init__(self, io: IO, engine: Engine, scoped: Callable[[], Settings]) -> None:
        self._io, self._engine, self._scoped = io, engine, scoped

    def create(
        self, *, input: Input, model: str, **params: Unpack[EmbeddingParams]
    ) -> CreateEmbeddingResponse:
        """Turn texts into vectors; every parameter is OpenAI's, with its meaning.

        Held, settled and logged as a chat is. There is no routing: vectors of different models
        cannot be compared, so one model is named, and nobody else is asked when it fails.

        Args:
            input: A text, a list of texts, or token ids of one or of several; at most 2048.
            model: A model's name, ``"provider/model"``, or an alias of one model.
            **params: See ``EmbeddingParams``; ``encoding_format`` is ``"float"`` unless given, and
                ``route=RouteOptions(...)`` names team, user, tags and deadline.

        Returns:
            The vectors in the order of the inputs, ``usage``, and ``routing``: what it cost.

        Raises:
            ConfigurationError: An argument or a name is wrong; nothing was sent.
            BudgetExceededError: The worst case does not fit a budget; nothing was sent.
            NoEligibleModelError: The model's provider makes no embeddings; nothing was sent.
            APIError: The provider failed, after retries; ``.attempts`` tells.
            StorageError: The ledger cannot be written; nothing was sent.
        """
        given = {**params, "input": input, "model": model}
        return run_to_completion(
            _pipeline.create(self._engine, self._io, self._scoped(), given, EMBEDDINGS)
        )

    @property
    def with_raw_response(self) -> EmbeddingsWithRawResponse:
        """The same call, for who wants the headers too: ``request_id``, cost, attempts."""
        return EmbeddingsWithRawResponse(self)


class AsyncEmbeddings:
    """``router.embeddings`` of an ``AsyncRouter``."""

    def __init__(self, io: IO, engine: Engine, scoped: Callable[[], Settings]) -> None:
        self._io, self._engine, self._scoped = io, engine, scoped

    async def create(
        self, *, input: Input, model: str, **params: Unpack[EmbeddingParams]
    ) -> CreateEmbeddingResponse:
        """Turn texts into vectors; as ``Router.embeddings.create``, awaited."""
        given = {**params, "input": input, "model": model}
        return await _pipeline.create(self._engine, self._io, self._scoped(), given, EMBEDDINGS)

    @property
    def with_raw_response(self) -> AsyncEmbeddingsWithRawResponse:
        """The same call, for who wants the headers too: ``request_id``, cost, attempts."""
        return AsyncEmbeddingsWithRawResponse(self)
