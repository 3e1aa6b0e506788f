"""The provider protocol, and the plain data that crosses it.

A provider is four pure methods: a request becomes bytes, bytes become an answer, a decoder of
chunks or an error. Who has no server answers through ``transport``, a generator that the I/O object
drives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from trunkline.errors import BadRequestError

from ._shapes import is_object
from .endpoint import keys_in

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from trunkline.catalog.models import Deployment, Model
    from trunkline.errors import APIError
    from trunkline.types.chat import ChatCompletion, ChatCompletionChunk, Usage
    from trunkline.types.embeddings import CreateEmbeddingResponse
    from trunkline.types.secret import Secret

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request. ``headers`` carries the key, so its repr is left out.

    Attributes:
        trusted: The host may be one whose name leads to a link-local or metadata address.
        unread: The answer is handed on piece by piece, so that it needs no cap.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    trusted: bool = False
    unread: bool = False


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an answer must be read in the light of: its own request.

    Attributes:
        model: The provider's model name, for answers that leave it out.
        created: UTC epoch seconds, for the same.
        include_usage: Whether the caller wants the usage chunk.
        new_id: Makes an id where the provider gives none (``new_id("call_")``).
        choices: How many answers were asked for. A whole answer may hold fewer, and so may a stream
            whose provider says that it was all; one that just ends was cut before the others.
        tier: The service tier asked for, which bills an answer that names none.
        state: Whatever the provider wants back (tool names by id, a schema tool).
        secrets: Keys of this call alone, which must not show in what is said about its answer.
    """

    model: str
    stream: bool
    created: int
    include_usage: bool
    new_id: Callable[[str], str]
    choices: int = 1
    tier: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    secrets: tuple[Secret, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as a provider sees it.

    Attributes:
        params: OpenAI's request fields, ``extra_body`` merged in; ``model`` is the deployment's,
            ``stream`` a bool.
        deployment: Whom to ask.
        output_cap: The output cap to send, where a budget set one and the caller did not.
        drop_params: Whether what the provider cannot do is dropped (and reported) instead of
            refused.
        headers: ``extra_headers``, without keys that are for another provider.
        query: ``extra_query``.
        created: UTC epoch seconds of the call.
        new_id: See ``Exchange``.
    """

    params: Mapping[str, Any] = field(repr=False)
    deployment: Deployment
    created: int
    new_id: Callable[[str], str]
    output_cap: int | None = None
    drop_params: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def stream(self) -> bool:
        """Whether chunks are wanted."""
        return bool(self.params.get("stream"))

    @property
    def include_usage(self) -> bool:
        """Whether the caller asked for the usage chunk."""
        return bool(self.stream_options.get("include_usage"))

    @property
    def stream_options(self) -> JSON:
        """The options of streaming, empty where none were given.

        Raises:
            BadRequestError: They are no object.
        """
        options: Any = self.params.get("stream_options")
        if options is None:
            return {}
        if not is_object(options):
            raise BadRequestError(
                f"stream_options must be an object, not {type(options).__name__}",
                param="stream_options",
                model=self.deployment.id,
                sent=False,
            )
        return options

    def exchange(self, *, choices: object = 1, tier: object = None, **state: Any) -> Exchange:
        """Make the exchange that belongs to this call.

        Args:
            choices: How many answers the request asks for; what is no count is one.
            tier: Its service tier; what is no text is none.
            state: See ``Exchange``.
        """
        return Exchange(
            model=self.deployment.model.id,
            stream=self.stream,
            created=self.created,
            include_usage=self.include_usage,
            new_id=self.new_id,
            choices=choices if type(choices) is int and choices > 1 else 1,
            tier=tier if isinstance(tier, str) else None,
            state=state,
            secrets=keys_in(self.headers),
        )


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """What to send, what was changed on the way (in words), and the light to read the answer in."""

    http: HttpRequest
    exchange: Exchange
    adjusted: tuple[str, ...] = ()


class Decoder(Protocol):
    """Turns the bytes of a stream into chunks, at whatever boundaries they come.

    An error inside the stream is not raised by ``feed``, which would lose the chunks before it: it
    stands in ``error``, and the stream raises it after those. ``usage`` holds the last usage, also
    where the caller did not ask for the usage chunk; ``None`` where that cannot be believed. The
    chunk grammar is that of ``wire-formats`` 0.1: role first, ``index`` on every tool delta, id and
    name once, one finish reason a choice, the usage chunk only when asked for. A decoder may have
    ``is_done``: whether the provider has said that this was all, whatever the connection does then.
    """

    usage: Usage | None
    error: APIError | None

    def feed(self, data: bytes) -> list[ChatCompletionChunk]:
        """Take bytes, return the chunks they complete."""
        ...

    def close(self) -> list[ChatCompletionChunk]:
        """Return what the end of the stream completes."""
        ...


@runtime_checkable
class KnowsItsEnd(Protocol):
    """A decoder of streams that carry an end mark of their own, such as ``[DONE]``."""

    @property
    def is_done(self) -> bool:
        """Whether the provider has said that this was all, whatever the connection does then."""
        ...


@runtime_checkable
class HoldsItsEnd(Protocol):
    """A decoder that says finish reasons in ``close`` alone, because more may come after them."""

    @property
    def holds_end(self) -> bool:
        """Whether every answer asked for has one, so that nothing is lost if no more comes."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """First step of a transport: status and headers."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Wait:
    """A step of a transport: time passes; only ``real`` sleeps, else the call's own clock moves."""

    seconds: float
    real: bool = False


@dataclass(frozen=True, slots=True)
class Invoke:
    """A step of a transport: run ``fn`` and send its result back in."""

    fn: Callable[[], Any]
    is_async: bool = False


class Provider(Protocol):
    """What a provider must do: four pure methods."""

    @property
    def name(self) -> str:
        """Name in ``provider/model``, scopes and errors."""
        ...

    @property
    def models(self) -> Sequence[Model]:
        """Models it declares beyond the catalogue's."""
        ...

    def build_request(self, asked: Asked) -> ProviderRequest:
        """Translate a call; refuse by name what cannot be said (``BadRequestError``)."""
        ...

    def parse(self, response: HttpResponse, exchange: Exchange) -> ChatCompletion:
        """Read a whole answer; raise ``APIResponseValidationError`` for one that is none."""
        ...

    def decoder(self, exchange: Exchange) -> Decoder:
        """Start reading a stream."""
        ...

    def failure(self, response: HttpResponse, exchange: Exchange) -> APIError:
        """Map an error answer, whatever its body; never raise."""
        ...


@runtime_checkable
class NeedsKey(Protocol):
    """A provider that answers nothing without a key, and may have been built without one."""

    def missing_key(self, headers: Mapping[str, str]) -> str | None:
        """Say in words which key is missing; ``None`` where it, or ``headers``, has one."""
        ...


@runtime_checkable
class Judges(Protocol):
    """A provider that knows beforehand what it has no words for."""

    def objection(self, asked: Asked) -> str | None:
        """Say why a call's parameters, messages apart, cannot be translated; else ``None``."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A provider that makes embeddings; ``Asked.params`` are those of ``embeddings.create``."""

    def build_embeddings(self, asked: Asked) -> ProviderRequest:
        """Translate a call; refuse by name what cannot be said (``BadRequestError``)."""
        ...

    def parse_embeddings(
        self, response: HttpResponse, exchange: Exchange
    ) -> CreateEmbeddingResponse:
        """Read a whole answer; raise ``APIResponseValidationError`` for one that is none."""
        ...


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """One page of a provider's own list of models, and what asks for the next."""

    models: tuple[Model, ...]
    cursor: str | None = None


@runtime_checkable
class ListsModels(Protocol):
    """A provider that can be asked which models it has; errors go through ``failure``."""

    def build_models(self, asked: Asked, cursor: str | None) -> ProviderRequest:
        """Ask for a page, the first without a cursor."""
        ...

    def parse_models(self, response: HttpResponse, exchange: Exchange) -> ModelsPage:
        """Read a page; raise ``APIResponseValidationError`` for one that is none."""
        ...


@runtime_checkable
class PassesOn(Protocol):
    """A provider whose API is OpenAI's, so that what we have no words for can be passed on."""

    def pass_on(self, asked: Asked) -> ProviderRequest:
        """Ask literally; the params are ``method``, ``path``, ``content_type`` and ``body``."""
        ...


@runtime_checkable
class HasTransport(Protocol):
    """A provider that answers without a socket."""

    def transport(self, request: HttpRequest) -> Generator[Head | Wait | Invoke | bytes, Any, None]:
        """Yield ``Head`` once, then bytes; ``Wait`` and ``Invoke`` anywhere."""
        ...
