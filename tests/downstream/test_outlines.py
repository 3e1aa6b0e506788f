"""outlines over our client: ``outlines.from_openai(client, model)``."""

from __future__ import annotations

import gc
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import outlines
import outlines.exceptions
import pytest
from outlines.inputs import Chat
from pydantic import BaseModel
from tests.downstream.fakes import MODEL

if TYPE_CHECKING:
    from tests.downstream.conftest import Door


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    name: str
    age: int
    address: Address
    tags: list[str]


PERSON = "name=Ada age=36 street=Main number=7 tags=a,b"


def _model(door: Door, **options: Any) -> Any:
    return outlines.from_openai(door.client(**options), door.model)


def test_a_prompt_is_answered_and_booked_once(door: Door) -> None:
    answer = _model(door)("Hello there")

    assert answer == "You said: Hello there"
    assert len(door.brain.seen) == 1
    assert door.billed() == door.brain.usages


def test_a_chat_reaches_the_provider_as_it_is(door: Door) -> None:
    chat = Chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])

    answer = _model(door)(chat, temperature=0.5, seed=3)

    assert answer == "You said: Hi"
    asked = door.brain.seen[0]
    assert asked["messages"] == chat.messages
    assert (asked["temperature"], asked["seed"]) == (0.5, 3)


def test_a_stream_spells_the_answer(door: Door) -> None:
    pieces = list(_model(door).stream("one two three"))

    assert "".join(pieces) == "You said: one two three"
    assert len(pieces) > 3
    assert door.billed() == door.brain.usages


# The collector may take the socket of the stream before the stream.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_stream_left_early_is_booked_as_what_came(our_door: Door) -> None:
    model = _model(our_door)
    stream = model.stream("one two three")
    next(stream)
    stream.close()  # outlines drops the SDK's stream unclosed, which leaves it to the collector
    gc.collect()
    model("next")

    left, _ = our_door.rows()

    assert left.state == "estimated"
    assert 0 < left.cost_usd < Decimal("0.001")


def test_several_answers_come_as_a_list(door: Door) -> None:
    assert _model(door)("Hi", n=2) == ["You said: Hi", "You said: Hi"]


def test_a_pydantic_model_is_filled(door: Door) -> None:
    answer = _model(door)(PERSON, Person)

    person = Person.model_validate_json(answer)
    assert person == Person(
        name="Ada", age=36, address=Address(street="Main", number=7), tags=["a", "b"]
    )
    assert door.brain.seen[0]["response_format"]["json_schema"]["strict"] is True
    assert door.billed() == door.brain.usages


def test_a_structured_answer_is_streamed(door: Door) -> None:
    pieces = list(outlines.Generator(_model(door), Person).stream(PERSON))

    assert Person.model_validate_json("".join(pieces)).age == 36
    assert len(pieces) > 3


def test_a_dict_asks_for_json(door: Door) -> None:
    answer = _model(door)("age=36", dict)

    assert json.loads(answer) == {"age": 36}
    assert door.brain.seen[0]["response_format"] == {"type": "json_object"}


async def test_async_answers_streams_and_structures(door: Door) -> None:
    async with door.async_client() as client:
        model: Any = outlines.from_openai(client, door.model)

        plain = await model("Hello there")
        pieces = [piece async for piece in model.stream("one two three")]
        person = await model(PERSON, Person)

    assert plain == "You said: Hello there"
    assert "".join(pieces) == "You said: one two three"
    assert Person.model_validate_json(person).name == "Ada"
    assert len(door.brain.usages) == 3
    assert door.billed() == door.brain.usages


def test_a_rate_limit_is_theirs_over_the_sdks(door: Door) -> None:
    with pytest.raises(outlines.exceptions.RateLimitError) as caught:
        _model(door)("FAIL 429")

    error = caught.value
    assert isinstance(error.original_exception, openai.RateLimitError)
    assert error.status_code == 429
    assert error.retryable
    assert len(door.brain.seen) == 3


def test_a_rate_limit_that_passes_is_not_seen(door: Door) -> None:
    assert _model(door)("FAIL 429 ONCE") == "You said: FAIL 429 ONCE"
    assert len(door.brain.seen) == 2


def test_a_bad_request_carries_its_code(door: Door) -> None:
    with pytest.raises(outlines.exceptions.BadRequestError) as caught:
        _model(door)("FAIL 400")

    original = caught.value.original_exception
    assert isinstance(original, openai.BadRequestError)
    assert original.code == "fake_400"
    assert len(door.brain.seen) == 1


def test_a_stream_that_fails_at_once_is_the_same_error(door: Door) -> None:
    with pytest.raises(outlines.exceptions.BadRequestError):
        list(_model(door).stream("FAIL 400"))


def test_a_stream_that_breaks_off_raises_after_its_pieces(door: Door) -> None:
    stream = _model(door).stream("BREAK here")

    assert next(stream) == ""
    assert next(stream) == "You"
    with pytest.raises(openai.APIError, match="broken off"):
        next(stream)


def test_a_refusal_is_a_generation_error(door: Door) -> None:
    with pytest.raises(outlines.exceptions.GenerationError, match="I will not say that"):
        _model(door)("REFUSE name=Ada", Person)


def test_a_budget_refuses_once_and_nothing_is_sent(inside: Door) -> None:
    inside.budget("0.0000001")

    with pytest.raises(outlines.exceptions.BadRequestError) as caught:
        _model(inside)("Hello there")

    original = caught.value.original_exception
    assert isinstance(original, openai.APIStatusError)
    assert original.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []


def test_auto_is_routed_and_booked(auto: Door) -> None:
    answer = _model(auto)("Hello there")

    rows = auto.rows()
    assert answer == f"{rows[0].model.split('/')[-1]} speaks"
    assert len(rows) == 1


def test_the_model_named_last_wins(door: Door) -> None:
    model: Any = outlines.from_openai(door.client(), "another")

    assert model("Hi", model=MODEL) == "You said: Hi"
