"""Retry, fall back or stop? And how long to wait? The OpenAI SDK's habits, as plain functions.

Two retries on 408, 409, 429, 5xx and connection errors, half a second doubling to eight with
jitter, the provider's own word first. What it costs to try again is the ledger's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from trunkline._admission import LONGEST_OBEYED_S
from trunkline.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    BadRequestError,
    ConfigurationError,
    Refused,
    StreamInterruptedError,
    UnprocessableEntityError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trunkline._io.protocol import IO

T = TypeVar("T")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
_RETRIED = frozenset({408, 409, 429})
_CALLERS_FAULT = frozenset({400, 413, 422})
# Types and codes of an account that cannot pay: some come as a 400.
_UNPAID = frozenset(
    {"billing_error", "billing_hard_limit_reached", "billing_not_active", "insufficient_quota"}
)


def is_retryable(error: BaseException, *, idempotent: bool = True) -> bool:
    """Whether the same deployment may be asked again."""
    if not isinstance(error, APIError) or isinstance(error, Refused | APIResponseValidationError):
        return False
    if error.should_retry is not None:
        return error.should_retry
    if isinstance(error, APIStatusError):
        return error.status_code in _RETRIED or (error.status_code or 0) >= 500
    if isinstance(error, APIConnectionError):
        return idempotent or not error.sent
    return False


def may_fall_back(error: BaseException, *, idempotent: bool = True) -> bool:
    """Whether another deployment may be asked: not for a wrong or an answered request.

    What one provider could not even be asked (a parameter it lacks, no key) may suit another. The
    class of an error tells, not its status: Google says 400 of a wrong key. That an account cannot
    pay is told by the error's own type or code.
    """
    if isinstance(error, ConfigurationError):
        return True
    if not isinstance(error, APIError) or isinstance(error, Refused | APIResponseValidationError):
        return False
    if isinstance(error, APIStatusError):
        return not error.sent or not _is_callers_fault(error)
    return idempotent or not error.sent


def _is_callers_fault(error: APIStatusError) -> bool:
    if error.type in _UNPAID or error.code in _UNPAID:
        return False
    if type(error) is APIStatusError:  # no class of its own, as with 413
        return error.status_code in _CALLERS_FAULT
    return isinstance(error, BadRequestError | UnprocessableEntityError)


def is_refusal_of_ours(error: BaseException | None) -> bool:
    """Whether the request was not even sent: no key, or no words for something in it."""
    if isinstance(error, APIStatusError):
        return not error.sent
    return isinstance(error, ConfigurationError)


def may_have_billed(error: BaseException) -> bool:
    """Whether the outcome is unknown, so that the attempt stays charged.

    An error status means the provider refused before it generated anything; everything else that
    was sent may have been billed, cancellation included, unless ``io.open`` noted on it that no
    byte had left.
    """
    if isinstance(error, StreamInterruptedError) and error.error is not None:
        return True
    if isinstance(error, APIStatusError):
        return False
    return bool(getattr(error, "sent", True))


def wait_s(error: BaseException | None, failures: int, jitter: float) -> float:
    """Seconds before the next try.

    Args:
        error: What failed last; its ``retry_after`` is obeyed, with up to a quarter second on top.
        failures: How many tries failed, 1 or more.
        jitter: Uniform in [0, 1).
    """
    asked = error.retry_after if isinstance(error, APIError) else None
    if asked is not None and 0 <= asked <= LONGEST_OBEYED_S:
        return asked + 0.25 * jitter
    return min(FIRST_WAIT_S * 2.0 ** (failures - 1), LONGEST_WAIT_S) * (1 - 0.25 * jitter)


def longest_wait_s(error: BaseException | None, failures: int) -> float:
    """Seconds before the next try at most, whatever the jitter: what must fit the time left."""
    return max(wait_s(error, failures, 0.0), wait_s(error, failures, 1.0))


def is_worth_waiting(error: BaseException, wait: float, left_s: float | None) -> bool:
    """Whether the wait is one the provider and the time left allow; else fail over or raise."""
    asked = error.retry_after if isinstance(error, APIError) else None
    if asked is not None and asked > LONGEST_OBEYED_S:
        return False
    return left_s is None or wait < left_s


async def with_retries(
    once: Callable[[], Awaitable[T]],
    *,
    io: IO,
    max_retries: int,
    jitter: Callable[[], float],
    left_s: Callable[[], float | None],
    idempotent: bool,
    before_retry: Callable[[APIError], Awaitable[bool]],
) -> T:
    """Run ``once``, and again as long as that is allowed and makes sense.

    tenacity is entered at the first failure only: importing and setting it up costs more than a
    whole healthy call.

    Args:
        once: One attempt.
        io: Sleeps.
        max_retries: Further tries at most.
        jitter: Draws uniformly from [0, 1).
        left_s: Time left to the deadline.
        idempotent: ``False`` forbids a second try where the first may have been acted on.
        before_retry: Makes room for the next try's cost; ``False`` means there is none.
    """
    try:
        return await once()
    except APIError as error:
        if max_retries < 1 or not is_retryable(error, idempotent=idempotent):
            raise
        first = error
    from tenacity import AsyncRetrying, RetryCallState

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return wait_s(error, state.attempt_number, jitter())

    async def again(state: Any) -> bool:
        error = state.outcome.exception()
        return (
            isinstance(error, APIError)
            and is_retryable(error, idempotent=idempotent)
            and state.attempt_number <= max_retries
            and is_worth_waiting(error, longest_wait_s(error, state.attempt_number), left_s())
            and await before_retry(error)
        )

    failures = [first]

    async def replay_then_try() -> T:
        if failures:
            raise failures.pop()
        return await once()

    retrying = AsyncRetrying(sleep=io.sleep, wait=wait, retry=again, reraise=True)
    return await retrying(replay_then_try)
