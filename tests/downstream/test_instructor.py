"""instructor over our client: ``instructor.from_openai(client)``."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import instructor
import openai
import pytest
from instructor.core import InstructorRetryException
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from tests.downstream.conftest import Door

MODES = [
    instructor.Mode.TOOLS,
    instructor.Mode.JSON,
    instructor.Mode.JSON_SCHEMA,
]
each_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


class Person(BaseModel):
    name: str
    age: int = Field(gt=0)


class Weather(BaseModel):
    city: str


def _said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def _asks(door: Door, mode: Any = instructor.Mode.TOOLS) -> Any:
    return instructor.from_openai(door.client(), mode=mode, model=door.model)


def _usage(usage: Any) -> tuple[int, int]:
    return usage.prompt_tokens, usage.completion_tokens


@each_mode
def test_a_model_is_filled_and_booked_once(door: Door, mode: Any) -> None:
    person = _asks(door, mode).create(
        response_model=Person, messages=_said("name=Ada age=36"), max_retries=0
    )

    assert (person.name, person.age) == ("Ada", 36)
    assert len(door.brain.seen) == 1
    assert door.billed() == door.brain.usages


@each_mode
def test_an_answer_that_does_not_fit_is_asked_again_and_booked_twice(door: Door, mode: Any) -> None:
    person = _asks(door, mode).create(
        response_model=Person, messages=_said("name=Ada age=-3|36"), max_retries=2
    )

    assert person.age == 36
    first, second = door.brain.seen
    assert len(second["messages"]) > len(first["messages"])
    assert door.billed() == door.brain.usages
    prompts, written = zip(*door.brain.usages, strict=True)
    assert _usage(person._total_usage) == (sum(prompts), sum(written))


def test_answers_that_never_fit_raise_with_every_attempt(door: Door) -> None:
    with pytest.raises(InstructorRetryException) as caught:
        _asks(door).create(response_model=Person, messages=_said("name=Ada age=-3"), max_retries=1)

    assert caught.value.n_attempts == 2
    assert len(caught.value.failed_attempts) == 2
    assert len(door.brain.usages) == 2
    assert door.billed() == door.brain.usages


def test_the_completion_is_the_sdks_own_and_has_the_tokens_that_we_book(door: Door) -> None:
    person, completion = _asks(door).create_with_completion(
        response_model=Person, messages=_said("name=Ada age=36")
    )

    assert person.name == "Ada"
    assert type(completion) is ChatCompletion
    assert _usage(completion.usage) == door.brain.usages[0]
    assert door.billed() == door.brain.usages


def test_without_a_model_it_is_the_plain_call(door: Door) -> None:
    answer = _asks(door).create(response_model=None, messages=_said("Hello there"))

    assert answer.choices[0].message.content == "You said: Hello there"


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_a_partial_grows(door: Door, mode: Any) -> None:
    partials = list(
        _asks(door, mode).create_partial(
            response_model=Person, messages=_said("name=Adalbert-the-Great age=36")
        )
    )

    assert len(partials) > 2
    assert (partials[-1].name, partials[-1].age) == ("Adalbert-the-Great", 36)
    assert any(p.age is None for p in partials)
    assert door.billed() == door.brain.usages


def test_an_iterable_yields_one_by_one(door: Door) -> None:
    people = _asks(door).create_iterable(
        response_model=Person, messages=_said("name=Ada,Bob age=36,40")
    )

    assert [(p.name, p.age) for p in people] == [("Ada", 36), ("Bob", 40)]
    assert door.billed() == door.brain.usages


def test_parallel_tools_are_told_apart(door: Door) -> None:
    client = _asks(door, instructor.Mode.PARALLEL_TOOLS)

    both = list(
        client.create(
            response_model=Iterable[Person | Weather],
            messages=_said("AT ONCE name=Ada age=36 city=Paris"),
        )
    )

    assert both == [Person(name="Ada", age=36), Weather(city="Paris")]


async def test_async_fills_asks_again_and_streams(door: Door) -> None:
    async with door.async_client() as client:
        asks = instructor.from_openai(client, model=door.model)

        person = await asks.create(response_model=Person, messages=_said("name=Ada age=-3|36"))
        partials = [
            partial
            async for partial in asks.create_partial(
                response_model=Person, messages=_said("name=Ada age=36")
            )
        ]
        people = [
            one
            async for one in asks.create_iterable(
                response_model=Person, messages=_said("name=Ada,Bob age=36,40")
            )
        ]

    assert person.age == 36
    assert partials[-1] == Person(name="Ada", age=36)
    assert [p.name for p in people] == ["Ada", "Bob"]
    assert len(door.brain.usages) == 4
    assert door.billed() == door.brain.usages


def test_the_responses_api_fills_too(our_door: Door) -> None:
    person = _asks(our_door, instructor.Mode.RESPONSES_TOOLS).create(
        response_model=Person, messages=_said("name=Ada age=36"), max_retries=0
    )

    assert (person.name, person.age) == ("Ada", 36)
    assert our_door.billed() == our_door.brain.usages


def test_threads_share_a_client(door: Door) -> None:
    client = _asks(door)

    def ask(age: int) -> int:
        said = _said(f"name=Ada age=-1|{age}")
        return int(client.create(response_model=Person, messages=said).age)

    with ThreadPoolExecutor(4) as pool:
        ages = list(pool.map(ask, range(10, 30)))

    assert ages == list(range(10, 30))
    assert len(door.brain.usages) == 40
    assert sorted(door.billed()) == sorted(door.brain.usages)


def test_a_bad_request_is_not_asked_again(door: Door) -> None:
    with pytest.raises(InstructorRetryException) as caught:
        _asks(door).create(response_model=Person, messages=_said("FAIL 400"), max_retries=3)

    cause = caught.value.__cause__
    assert isinstance(cause, openai.BadRequestError)
    assert cause.code == "fake_400"
    assert len(door.brain.seen) == 1


def test_a_rate_limit_is_tried_three_times_in_all(door: Door) -> None:
    with pytest.raises(InstructorRetryException) as caught:
        _asks(door).create(response_model=Person, messages=_said("FAIL 429"), max_retries=3)

    assert isinstance(caught.value.__cause__, openai.RateLimitError)
    assert len(door.brain.seen) == 3


def test_hooks_see_what_is_asked_and_answered(door: Door) -> None:
    client = _asks(door)
    seen: list[Any] = []
    client.on("completion:kwargs", lambda **kwargs: seen.append(kwargs["model"]))
    client.on("completion:response", lambda response: seen.append(response.usage.prompt_tokens))

    client.create(response_model=Person, messages=_said("name=Ada age=36"))

    assert seen == [door.model, door.brain.usages[0][0]]


def test_a_budget_refuses_once_and_nothing_is_sent(inside: Door) -> None:
    inside.budget("0.0000001")

    with pytest.raises(InstructorRetryException) as caught:
        _asks(inside).create(
            response_model=Person, messages=_said("name=Ada age=36"), max_retries=3
        )

    cause = caught.value.__cause__
    assert isinstance(cause, openai.APIStatusError)
    assert cause.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


def test_auto_is_routed_and_booked(auto: Door) -> None:
    answer = _asks(auto).create(response_model=None, messages=_said("Hello there"))

    (row,) = auto.rows()
    assert answer.choices[0].message.content == f"{row.model.split('/')[-1]} speaks"
    assert _usage(answer.usage) == (row.prompt_tokens, row.completion_tokens)
