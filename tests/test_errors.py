"""The tree of errors keeps its shape, its attributes and its silence on every way out."""

from __future__ import annotations

import copy
import inspect
import pickle
from decimal import Decimal
from typing import Any

import openai
import pytest

from trunkline import errors
from trunkline.errors import (
    AccessDeniedError,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    BudgetExceededError,
    ConfigurationError,
    FeedbackError,
    InternalServerError,
    LimitExceededError,
    NoEligibleModelError,
    PermissionDeniedError,
    RateLimitError,
    Refused,
    StorageError,
    StreamInterruptedError,
    TrunklineError,
    status_error_class,
)
from trunkline.types.chat import ChatCompletion
from trunkline.types.routing import Attempt, Candidate

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, TrunklineError)
]
WHERE: dict[str, Any] = {
    "routing_id": "call-1",
    "request_id": "req-1",
    "provider": "openai",
    "model": "gpt-5-mini",
    "attempts": [Attempt(provider="openai", model="gpt-5-mini", state="voided", duration_s=0.5)],
}
BUDGET: dict[str, Any] = {
    "scope": "team:research",
    "limit": Decimal(200),
    "spent": Decimal("150.5"),
    "held": Decimal("49"),
    "needed": Decimal("0.75"),
    "resets_at": 1_800_000_000.0,
}


def made(cls: type[TrunklineError]) -> TrunklineError:
    extra = BUDGET if issubclass(cls, BudgetExceededError) else {}
    return cls("say what to do", **WHERE, **extra)


def partial() -> ChatCompletion:
    choice = {"message": {"content": "Once up"}, "finish_reason": "length"}
    return ChatCompletion.model_validate(
        {"id": "c", "created": 1, "model": "m", "choices": [choice]}
    )


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_is_of_the_tree_and_says_where(cls: type[TrunklineError]) -> None:
    error = made(cls)

    assert str(error) == error.message == "say what to do"
    assert (error.routing_id, error.request_id) == ("call-1", "req-1")
    assert (error.provider, error.model) == ("openai", "gpt-5-mini")
    assert isinstance(error.attempts, tuple)
    assert error.attempts[0].state == "voided"


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickle(cls: type[TrunklineError], protocol: int) -> None:
    error = made(cls)

    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  # our own bytes

    assert type(again) is cls
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
    assert again.status_code == error.status_code


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_survives_copy(cls: type[TrunklineError]) -> None:
    error = made(cls)

    for again in (copy.copy(error), copy.deepcopy(error)):
        assert type(again) is cls
        assert again.__dict__ == error.__dict__


@pytest.mark.parametrize("cls", CLASSES)
def test_a_bare_error_knows_nothing_it_was_not_told(cls: type[TrunklineError]) -> None:
    extra = BUDGET if issubclass(cls, BudgetExceededError) else {}

    error = cls("bare", **extra)

    assert error.routing_id is None
    assert error.provider is None
    assert error.attempts == ()


def test_the_tree_has_the_shape_that_was_promised() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(FeedbackError, ValueError)
    assert not issubclass(StorageError, APIError)
    assert APITimeoutError.__bases__ == StreamInterruptedError.__bases__ == (APIConnectionError,)
    assert APIResponseValidationError.__bases__ == (APIError,)
    assert AccessDeniedError.__bases__ == (Refused, PermissionDeniedError)
    assert LimitExceededError.__bases__ == (Refused, RateLimitError)
    assert BudgetExceededError.__bases__ == NoEligibleModelError.__bases__
    assert BudgetExceededError.__bases__ == (Refused, APIStatusError)


@pytest.mark.parametrize("cls", [each for each in CLASSES if hasattr(openai, each.__name__)])
def test_names_shared_with_the_sdk_have_its_status_and_its_parents(
    cls: type[TrunklineError],
) -> None:
    theirs = getattr(openai, cls.__name__)

    if issubclass(cls, APIStatusError) and cls not in (APIStatusError, InternalServerError):
        assert cls.status_code == theirs.status_code
    parents = {each.__name__ for each in theirs.__mro__ if hasattr(openai, each.__name__)}
    assert parents - {"OpenAIError"} <= {each.__name__ for each in cls.__mro__}


@pytest.mark.parametrize(
    ("cls", "status"),
    [
        (AccessDeniedError, 403),
        (LimitExceededError, 429),
        (BudgetExceededError, 402),
        (NoEligibleModelError, 503),
    ],
)
def test_refusals_have_the_status_that_fits(cls: type[TrunklineError], status: int) -> None:
    assert made(cls).status_code == status


def test_a_status_of_ones_own_goes_to_the_instance_only() -> None:
    assert InternalServerError("overloaded", status_code=529).status_code == 529
    assert InternalServerError("failed").status_code == 500
    assert APIStatusError("teapot", status_code=418).status_code == 418
    assert APIStatusError("unknown").status_code is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_a_status_finds_its_class(status: int) -> None:
    assert status_error_class(status).status_code == status


def test_statuses_without_a_class_of_their_own() -> None:
    assert status_error_class(413) is APIStatusError
    assert status_error_class(500) is status_error_class(529) is InternalServerError
    assert status_error_class(499) is APIStatusError


def test_an_api_error_keeps_the_providers_words() -> None:
    error = APIError(
        "too long",
        type="invalid_request_error",
        code="context_length_exceeded",
        param="messages",
        retry_after=1.5,
        should_retry=False,
        sent=False,
    )

    assert (error.type, error.code, error.param) == (
        "invalid_request_error",
        "context_length_exceeded",
        "messages",
    )
    assert (error.retry_after, error.should_retry, error.sent) == (1.5, False, False)
    assert APIError("no more known").sent


def test_a_budget_refusal_says_how_the_budget_stands_and_not_to_retry() -> None:
    error = BudgetExceededError("no room", **BUDGET)

    assert {name: getattr(error, name) for name in BUDGET} == BUDGET
    assert error.should_retry is False
    assert error.sent is False


def test_no_eligible_model_lists_every_candidate_with_its_reason() -> None:
    candidate = Candidate(provider="openai", model="o1", ruled_out="no vision")

    error = NoEligibleModelError("none left", candidates=[candidate])

    assert error.candidates == (candidate,)
    assert error.should_retry is False
    assert error.sent is False


@pytest.mark.parametrize("cls", [APITimeoutError, StreamInterruptedError])
def test_what_a_stream_had_delivered_goes_along_through_pickle(
    cls: type[APITimeoutError | StreamInterruptedError],
) -> None:
    error = cls("cut", partial=partial())

    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes

    assert again.partial == partial()


def test_an_interrupted_stream_keeps_the_error_that_cut_it() -> None:
    cause = RateLimitError("slow down", retry_after=2.0)

    error = StreamInterruptedError("cut", error=cause)

    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert isinstance(again.error, RateLimitError)
    assert again.error.retry_after == 2.0
    assert again.partial is None
