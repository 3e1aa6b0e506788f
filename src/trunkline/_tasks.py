"""What a call is for: chat, embeddings, a provider's list of models.

All that differs between them, as plain functions in the order in which ``_pipeline`` calls them, so
that the life of a request is written once. Decides what a task's arguments, answer and outcome are;
what an outcome costs is ``_holds``' business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from trunkline import _admission, _arguments, _decisions
from trunkline._followup import answered
from trunkline._holds import Outcome
from trunkline.types.chat import Usage
from trunkline.types.headers import handed_on

if TYPE_CHECKING:
    from trunkline._admission import Call, Circumstances
    from trunkline._arguments import Arguments
    from trunkline._decisions import Choice
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO, ByteSource
    from trunkline._streams import StreamCore
    from trunkline.providers.base import (
        Asked,
        Embeds,
        Exchange,
        HttpResponse,
        ListsModels,
        ModelsPage,
        PassesOn,
        Provider,
        ProviderRequest,
    )
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.embeddings import CreateEmbeddingResponse
    from trunkline.types.routing import Routing

A = TypeVar("A")

_NOTHING_USED = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)


class Told(NamedTuple):
    """What is told of an answer beside itself: how it came about, and its response headers."""

    routing: Routing
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Task(Generic[A]):
    """One kind of call.

    Attributes:
        name: As the log has it.
        take_apart: Checks and splits the caller's arguments.
        admit: Finds out whom they may ask.
        choose: Chooses among those.
        build: Asks a provider.
        parse: Reads its whole answer.
        outcome: Tells what that came to, from the answer, its seconds and the provider's id.
        deliver: Does what follows an answer that is settled.
        take: Takes an open exchange for the whole answer, which is handed on unread.
    """

    name: str
    take_apart: Callable[[Mapping[str, Any]], Arguments]
    admit: Callable[[Arguments, Task[Any], Circumstances], Call]
    choose: Callable[[Engine, IO, Call], Awaitable[Choice]]
    build: Callable[[Any, Asked], ProviderRequest]
    parse: Callable[[Any, HttpResponse, Exchange], Any]
    outcome: Callable[[Any, float, str | None], Outcome]
    deliver: Callable[[Engine, IO, Any, Told], Awaitable[None]]
    take: Callable[[ByteSource], Any] | None = None


async def _by_learning(engine: Engine, io: IO, call: Call) -> Choice:
    # Who names a model is compared with nobody, so an arm that cannot be found is not in the way.
    return await engine.learner.choose(io, call, None if call.is_explicit else engine.baseline)


async def _as_named(engine: Engine, io: IO, call: Call) -> Choice:  # noqa: ARG001  # as above
    return _decisions.foregone(call)


def _build_chat(provider: Provider, asked: Asked) -> ProviderRequest:
    return provider.build_request(asked)


def _parse_chat(provider: Provider, response: HttpResponse, exchange: Exchange) -> ChatCompletion:
    return provider.parse(response, exchange)


def _outcome_of_chat(
    completion: ChatCompletion, duration_s: float, request_id: str | None
) -> Outcome:
    return Outcome(
        usage=completion.usage,
        served=completion.model,
        received_bytes=0 if _counts_output(completion) else _output_bytes(completion),
        is_whole=True,
        duration_s=duration_s,
        finish_reason=completion.choices[0].finish_reason,
        request_id=request_id,
    )


def _counts_output(completion: ChatCompletion) -> bool:
    return completion.usage is not None and completion.usage.completion_tokens > 0


def _output_bytes(completion: ChatCompletion) -> int:
    """Bound the output tokens of an answer without a bill: all of its text, calls included."""
    said: list[object] = []
    for message in (choice.message for choice in completion.choices):
        said += [message.content, message.refusal, message.reasoning_content]
        said += [message.tool_calls, message.function_call]
    return sum(len(str(part).encode("utf-8", "surrogatepass")) for part in said if part)


async def _deliver_chat(engine: Engine, io: IO, completion: ChatCompletion, told: Told) -> None:
    completion.attach_routing(told.routing, handed_on(told.headers))
    await answered(engine, io, told.routing, lambda: completion)


def _build_embeddings(provider: Embeds, asked: Asked) -> ProviderRequest:
    return provider.build_embeddings(asked)


def _parse_embeddings(
    provider: Embeds, response: HttpResponse, exchange: Exchange
) -> CreateEmbeddingResponse:
    return provider.parse_embeddings(response, exchange)


def _outcome_of_embeddings(
    answer: CreateEmbeddingResponse, duration_s: float, request_id: str | None
) -> Outcome:
    usage: Usage | None = None
    if (used := answer.usage) is not None:
        tokens = used.prompt_tokens
        usage = Usage(prompt_tokens=tokens, completion_tokens=0, total_tokens=tokens)
    return Outcome(
        usage=usage,
        served=answer.model,
        is_whole=True,
        duration_s=duration_s,
        request_id=request_id,
    )


async def _deliver_embeddings(
    engine: Engine,
    io: IO,  # noqa: ARG001  # every task's shape
    answer: CreateEmbeddingResponse,
    told: Told,
) -> None:
    answer.attach_routing(told.routing, handed_on(told.headers))
    engine.emit("response", answer)


def _build_list(provider: ListsModels, asked: Asked) -> ProviderRequest:
    return provider.build_models(asked, asked.params.get("cursor"))


def _parse_list(provider: ListsModels, response: HttpResponse, exchange: Exchange) -> ModelsPage:
    return provider.parse_models(response, exchange)


def _outcome_of_list(_: ModelsPage, duration_s: float, request_id: str | None) -> Outcome:
    return Outcome(usage=_NOTHING_USED, is_whole=True, duration_s=duration_s, request_id=request_id)


async def _deliver_list(engine: Engine, io: IO, page: ModelsPage, told: Told) -> None:
    """Do nothing: a page is a part of an answer, and carries no routing."""


@dataclass(slots=True)
class Passed:
    """The answer to a request that was passed on, open and unread, and how it came about."""

    source: ByteSource
    routing: Routing = field(init=False)


def _build_passed(provider: PassesOn, asked: Asked) -> ProviderRequest:
    return provider.pass_on(asked)


def _never_parsed(*_: Any) -> Any:
    raise AssertionError("a request that is passed on is answered unread")  # pragma: no cover


def _outcome_of_passed(_: Passed, duration_s: float, request_id: str | None) -> Outcome:
    return Outcome(is_whole=True, duration_s=duration_s, request_id=request_id)


async def _deliver_passed(engine: Engine, io: IO, passed: Passed, told: Told) -> None:  # noqa: ARG001  # every task's shape
    passed.routing = told.routing


CHAT: Task[ChatCompletion | StreamCore] = Task(
    name="chat",
    take_apart=_arguments.of_chat,
    admit=_admission.admit_chat,
    choose=_by_learning,
    build=_build_chat,
    parse=_parse_chat,
    outcome=_outcome_of_chat,
    deliver=_deliver_chat,
)
EMBEDDINGS: Task[CreateEmbeddingResponse] = Task(
    name="embeddings",
    take_apart=_arguments.of_embeddings,
    admit=_admission.admit_embeddings,
    choose=_as_named,
    build=_build_embeddings,
    parse=_parse_embeddings,
    outcome=_outcome_of_embeddings,
    deliver=_deliver_embeddings,
)
LIST: Task[ModelsPage] = Task(
    name="models",
    take_apart=_arguments.of_list,
    admit=_admission.admit_list,
    choose=_as_named,
    build=_build_list,
    parse=_parse_list,
    outcome=_outcome_of_list,
    deliver=_deliver_list,
)
PASSED: Task[Passed] = Task(
    name="passed",
    take_apart=_arguments.of_passed,
    admit=_admission.admit_passed,
    choose=_as_named,
    build=_build_passed,
    parse=_never_parsed,
    outcome=_outcome_of_passed,
    deliver=_deliver_passed,
    take=Passed,
)
