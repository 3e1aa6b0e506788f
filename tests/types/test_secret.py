"""A key never shows, whatever is done with it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from trunkline.types.secret import Secret

CANARY = "sk-canary-0123456789"


def test_every_printed_form_shows_the_last_four_at_most() -> None:
    secret = Secret(CANARY)

    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{[secret]}"):
        assert shown.strip().strip("[]") == "sk-...6789"


@pytest.mark.parametrize(("key", "shown"), [("short", "..."), ("hf_0123456789", "...6789")])
def test_a_short_key_shows_nothing_and_another_kind_no_prefix(key: str, shown: str) -> None:
    assert repr(Secret(key)) == shown


def test_it_is_revealed_on_purpose_only() -> None:
    secret = Secret(CANARY)

    assert secret.reveal() == CANARY
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError, match="environment variable"):
        pickle.dumps(secret)


def test_copies_are_the_object_itself() -> None:
    secret = Secret(CANARY)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equal_keys_are_equal() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("sk-another-0123456789")
    assert Secret(CANARY) != CANARY
