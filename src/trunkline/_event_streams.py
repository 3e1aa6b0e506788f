"""``chat.completions.stream``: a streamed answer as events, with a whole one at the end.

Two faces over ``Stream`` and ``AsyncStream``, a few lines each; which events there are is decided
in ``_chat_events``. What could not be read has been paid for, so the stream is settled before the
error says so.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from trunkline._chat_events import EventState
from trunkline._structured import located
from trunkline.errors import ConfigurationError, UnparsedAnswerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from trunkline._streams import AsyncStream, Stream
    from trunkline._structured import Expected
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.chat_events import ChatCompletionStreamEvent
    from trunkline.types.parsed import ChatCompletionSnapshot, ParsedChatCompletion
    from trunkline.types.routing import Routing

T = TypeVar("T")


class _Face(Generic[T]):
    """What both streams of events share."""

    def __init__(self, stream: Stream | AsyncStream, expected: Expected[T]) -> None:
        self._whole = stream  # asked for what has come, never read
        self._expected = expected
        self._state = EventState(expected)
        self._ready: deque[ChatCompletionStreamEvent[T]] = deque()

    @property
    def current_completion_snapshot(self) -> ChatCompletionSnapshot[T]:
        """The answer as far as it was read; it grows with the next events."""
        if self._state.snapshot is None:
            raise ConfigurationError("nothing has come yet: take the first event before")
        return self._state.snapshot

    @property
    def response(self) -> ChatCompletion | None:
        """What has come so far, joined; complete at the end, with its ``routing``."""
        return self._whole.response

    @property
    def routing(self) -> Routing:
        """Why this model and what happened; complete once the stream has ended."""
        return self._whole.routing

    def _final(self) -> ParsedChatCompletion[T]:
        completion = self._whole.response
        if completion is None or self.routing.actual.finish_reason is None:
            raise located(
                UnparsedAnswerError(
                    "the stream was closed before the answer was complete; "
                    "what came of it is in .completion"
                ),
                completion,
            )
        return self._expected.parsed(completion)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._whole!r}>"


class ChatCompletionStream(_Face[T]):
    """Events of an answer, to iterate over inside ``with router.chat.completions.stream(...)``."""

    def __init__(self, stream: Stream, expected: Expected[T]) -> None:
        super().__init__(stream, expected)
        self._stream = stream

    def __iter__(self) -> ChatCompletionStream[T]:
        return self

    def __next__(self) -> ChatCompletionStreamEvent[T]:
        while not self._ready:
            try:
                self._ready += self._state.take(next(self._stream))
            except UnparsedAnswerError as error:
                self._stream.close()
                raise located(error, self.response) from None
        return self._ready.popleft()

    def until_done(self) -> ChatCompletionStream[T]:
        """Read to the end."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> ParsedChatCompletion[T]:
        """Read to the end; return the whole answer, read as asked.

        Raises:
            UnparsedAnswerError: It was cut, or is not of the type asked for; ``.completion`` is it.
        """
        self.until_done()
        return self._final()

    def close(self) -> None:
        """Stop reading, free the connection and settle what came."""
        self._ready.clear()
        self._stream.close()

    def __enter__(self) -> ChatCompletionStream[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncChatCompletionStream(_Face[T]):
    """``ChatCompletionStream`` of an ``AsyncRouter``, to iterate over with ``async for``."""

    def __init__(self, stream: AsyncStream, expected: Expected[T]) -> None:
        super().__init__(stream, expected)
        self._stream = stream

    def __aiter__(self) -> AsyncChatCompletionStream[T]:
        return self

    async def __anext__(self) -> ChatCompletionStreamEvent[T]:
        while not self._ready:
            try:
                self._ready += self._state.take(await anext(self._stream))
            except UnparsedAnswerError as error:
                await self._stream.close()
                raise located(error, self.response) from None
        return self._ready.popleft()

    async def until_done(self) -> AsyncChatCompletionStream[T]:
        """Read to the end."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> ParsedChatCompletion[T]:
        """Read to the end; return the whole answer, read as asked.

        Raises:
            UnparsedAnswerError: It was cut, or is not of the type asked for; ``.completion`` is it.
        """
        await self.until_done()
        return self._final()

    async def close(self) -> None:
        """Stop reading, free the connection and settle what came."""
        self._ready.clear()
        await self._stream.close()

    async def __aenter__(self) -> AsyncChatCompletionStream[T]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class ChatCompletionStreamManager(Generic[T]):
    """Sends the request where ``with`` is entered, and closes the stream where it is left."""

    def __init__(self, ask: Callable[[], Stream], expected: Expected[T]) -> None:
        self._ask, self._expected = ask, expected
        self._stream: ChatCompletionStream[T]

    def __enter__(self) -> ChatCompletionStream[T]:
        self._stream = ChatCompletionStream(self._ask(), self._expected)
        return self._stream

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()


class AsyncChatCompletionStreamManager(Generic[T]):
    """``ChatCompletionStreamManager`` of an ``AsyncRouter``, for ``async with``."""

    def __init__(self, ask: Callable[[], Awaitable[AsyncStream]], expected: Expected[T]) -> None:
        self._ask, self._expected = ask, expected
        self._stream: AsyncChatCompletionStream[T]

    async def __aenter__(self) -> AsyncChatCompletionStream[T]:
        self._stream = AsyncChatCompletionStream(await self._ask(), self._expected)
        return self._stream

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stream.close()
