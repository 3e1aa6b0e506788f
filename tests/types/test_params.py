from __future__ import annotations

import inspect

from openai.resources.chat.completions import Completions

from trunkline.types.params import CHAT_PARAMS, TRANSPORT_PARAMS


def test_every_parameter_of_the_sdk_is_ours_too() -> None:
    theirs = set(inspect.signature(Completions.create).parameters) - {"self"}

    assert theirs <= CHAT_PARAMS | TRANSPORT_PARAMS


def test_what_steers_the_call_is_no_field_of_the_request() -> None:
    assert not CHAT_PARAMS & TRANSPORT_PARAMS
    assert {"model", "messages", "stream", "temperature"} <= CHAT_PARAMS
