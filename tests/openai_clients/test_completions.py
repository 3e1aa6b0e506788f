"""The API before chat, served as chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.support.faces import zoo

from trunkline import Router
from trunkline.openai import OpenAI
from trunkline.providers import EchoProvider

if TYPE_CHECKING:
    from trunkline.openai import OpenAI as Client


@pytest.fixture
def client() -> Client:
    return OpenAI(router=Router(providers=[EchoProvider(), zoo()], store=":memory:"))


def test_a_prompt_is_answered_with_text(client: Client) -> None:
    answer = client.completions.create(model="echo", prompt="one two")

    assert [(c.index, c.text, c.finish_reason) for c in answer.choices] == [(0, "one two", "stop")]
    assert answer.object == "text_completion"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


def test_several_prompts_are_several_calls_under_one_answer(client: Client) -> None:
    answer = client.completions.create(model="echo", prompt=["one", "two three"], echo=True)

    assert [(c.index, c.text) for c in answer.choices] == [(0, "oneone"), (1, "two threetwo three")]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3
    told: Any = (answer.model_extra or {})["trunkline"]
    assert [call["id"] for call in told["calls"]] == [
        record.routing_id for record in reversed(client.router.usage.records())
    ]


def test_a_stream_is_text_and_ends_with_the_routing(client: Client) -> None:
    chunks = list(client.completions.create(model="echo", prompt="a b", echo=True, stream=True))

    assert "".join(c.choices[0].text for c in chunks) == "a ba b"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "trunkline" in (chunks[-1].model_extra or {})


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a", "b"], "stream": True}, "prompt"),
        ({"prompt": "a", "suffix": "z"}, "suffix"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
        ({"prompt": "a", "logprobs": 1}, "logprobs"),
    ],
)
def test_what_chat_has_no_words_for_is_refused_by_name(
    client: Client, asked: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="echo", **asked)

    assert caught.value.param == param
    assert len(client.router.usage.records()) == 0
