"""The one tree of errors: what went wrong, where, and what to do about it.

Names and status codes are those of the OpenAI SDK where it has one. Refusals (nothing was sent) are
told apart from failures (something was) by the mix-in ``Refused``. No error holds a request, a
header map, a prompt or a key, and all of them survive pickle and copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from trunkline.types.chat import ChatCompletion, Usage
    from trunkline.types.routing import Attempt, Candidate


class TrunklineError(Exception):
    """Root of everything trunkline raises.

    Attributes:
        message: What happened and what to do, without keys or prompt text.
        routing_id: Our id of the call (``response.routing.id``), where one was made.
        request_id: The provider's id of the exchange, where it sent one.
        provider: Name of the provider that failed; ``None`` where nothing was sent.
        model: The provider's id of the model.
        status_code: HTTP status, or the one that fits a refusal.
        attempts: What was tried, in order.
    """

    status_code: int | None = None

    def __init__(
        self,
        message: str,
        *,
        routing_id: str | None = None,
        request_id: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.routing_id = routing_id
        self.request_id = request_id
        self.provider = provider
        self.model = model
        self.attempts: tuple[Attempt, ...] = tuple(attempts)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors do not survive the default, which passes self.args alone.
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


def _rebuild(cls: type[TrunklineError], message: str, state: dict[str, Any]) -> TrunklineError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class ConfigurationError(TrunklineError, ValueError):
    """An argument, a setting or a file is wrong; the message names it."""


class StorageError(TrunklineError):
    """The store could not be read or written; before a call, this refuses it."""


class FeedbackError(TrunklineError, ValueError):
    """A score or reward was refused; nothing was learned from it."""


class UnparsedAnswerError(TrunklineError):
    """An answer came and is paid for, but it cannot be read as the type asked for.

    Attributes:
        completion: The answer all the same, with its ``routing``; of a stream, as far as it came.
    """

    def __init__(
        self, message: str, *, completion: ChatCompletion | None = None, **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.completion = completion


class LengthFinishReasonError(UnparsedAnswerError):
    """The answer stopped at its length limit, so what is there of it cannot be read."""


class ContentFilterFinishReasonError(UnparsedAnswerError):
    """A content filter cut the answer, so what is there of it cannot be read."""


class AnswerMismatchError(UnparsedAnswerError, ValueError):
    """The answer is complete, but is no JSON, or not of the type asked for."""


class APIError(TrunklineError):
    """A call did not produce a usable answer.

    Attributes:
        type: The provider's error type, e.g. ``"invalid_request_error"``.
        code: The provider's error code, e.g. ``"context_length_exceeded"``.
        param: The parameter the provider complains about.
        retry_after: Seconds the provider asked us to wait.
        should_retry: The provider's own word (``x-should-retry``), which overrides the status.
        sent: Whether the request may have reached the provider, so that it may have been billed.
        provider_message: What the provider itself said, where it said something.
        rate_limits: The provider's headers about its limits (``x-ratelimit-…``), lower-case names.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,  # OpenAI's name
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        sent: bool = True,
        provider_message: str | None = None,
        rate_limits: Mapping[str, str] | None = None,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.provider_message = provider_message
        self.rate_limits: dict[str, str] = dict(rate_limits or {})
        self.type = type
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.sent = sent


class APIConnectionError(APIError):
    """The exchange broke: no connection, reset, or an answer that stopped."""


class APITimeoutError(APIConnectionError):
    """The timeout of an attempt or the deadline of the call passed.

    Attributes:
        partial: What a stream had delivered by then, else ``None``.
    """

    def __init__(
        self, message: str, *, partial: ChatCompletion | None = None, **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.partial = partial


class StreamInterruptedError(APIConnectionError):
    """A stream ended before its finish reason; what came before was delivered.

    Attributes:
        partial: The answer as far as it came.
        error: The provider's error that cut the stream, where it sent one.
    """

    def __init__(
        self,
        message: str,
        *,
        partial: ChatCompletion | None = None,
        error: APIError | None = None,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.partial = partial
        self.error = error


class APIResponseValidationError(APIError):
    """The provider answered, but not with an answer.

    Attributes:
        usage: What it says it used all the same, where that can be believed; it is charged.
    """

    def __init__(self, message: str, *, usage: Usage | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.usage = usage


class APIStatusError(APIError):
    """The provider, or a refusal of ours, answered with an error status."""

    def __init__(self, message: str, *, status_code: int | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        if status_code is not None:
            self.status_code = status_code


class BadRequestError(APIStatusError):
    """400: the request is wrong; no other model will take it."""

    status_code = 400


class AuthenticationError(APIStatusError):
    """401: the key is missing or wrong."""

    status_code = 401


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""

    status_code = 403


class NotFoundError(APIStatusError):
    """404: no such model, team, budget or routing id."""

    status_code = 404


class ConflictError(APIStatusError):
    """409: the resource changed meanwhile."""

    status_code = 409


class UnprocessableEntityError(APIStatusError):
    """422: the request was understood and cannot be served."""

    status_code = 422


class RateLimitError(APIStatusError):
    """429: too many requests, or a quota is used up."""

    status_code = 429


class InternalServerError(APIStatusError):
    """500 and above: the provider failed."""

    status_code = 500


class Refused(TrunklineError):  # noqa: N818  # a mix-in, named for the claim it makes
    """Mix-in: we said no before anything was sent, so nothing can have been billed."""


class AccessDeniedError(Refused, PermissionDeniedError):
    """403: a rule of the team forbids this model or action."""


class LimitExceededError(Refused, RateLimitError):
    """429: a rate limit of ours is used up; ``retry_after`` says when it frees."""


class BudgetExceededError(Refused, APIStatusError):
    """402: the worst case of this call does not fit a budget.

    Attributes:
        code: ``"budget_exceeded"``; ``"budget_held"`` where only money held for calls under way is
            in the way, so that the same call fits later; ``"no_price"`` and ``"no_bound"`` where
            nobody can say what it may cost.
        scope: The budget's scope, e.g. ``"team:research"``.
        limit: The budget, in USD, like the four figures below.
        spent: Settled so far in this period.
        held: Set aside for calls under way; when only this is in the way, waiting helps.
        needed: The smallest worst case of this call.
        resets_at: UTC epoch seconds of the next period, ``None`` for a total.
    """

    status_code = 402

    def __init__(
        self,
        message: str,
        *,
        scope: str,
        limit: Decimal,
        spent: Decimal,
        held: Decimal,
        needed: Decimal | None,
        resets_at: float | None = None,
        **where: Any,
    ) -> None:
        super().__init__(message, sent=False, should_retry=False, **where)
        self.scope = scope
        self.limit = limit
        self.spent = spent
        self.held = held
        self.needed = needed
        self.resets_at = resets_at


class NoEligibleModelError(Refused, APIStatusError):
    """503: every candidate was ruled out.

    Attributes:
        candidates: Each candidate with the reason against it.
    """

    status_code = 503

    def __init__(self, message: str, *, candidates: Sequence[Candidate] = (), **where: Any) -> None:
        super().__init__(message, sent=False, should_retry=False, **where)
        self.candidates: tuple[Candidate, ...] = tuple(candidates)


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error_class(status: int) -> type[APIStatusError]:
    """Return the class for an HTTP status, as the OpenAI SDK maps it."""
    if status >= 500:
        return InternalServerError
    return _BY_STATUS.get(status, APIStatusError)
