from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.routing import features
from trunkline.routing.features import BIAS, NAMES, D, decode, encode


def of(text: str, **params: object) -> dict[str, float]:
    x = encode({"messages": [{"role": "user", "content": text}], **params})
    return dict(zip(NAMES, decode(x).tolist(), strict=True))


def test_golden_values_of_a_small_request() -> None:
    x = encode({"messages": [{"role": "user", "content": "Write a function that adds 2 and 3."}]})

    assert list(struct.unpack(f"<{D}h", x)) == GOLDEN


GOLDEN = [
    *(1024, -298, 0, -144, 122, 23, -19, 171, 0, 102, 0, 0),
    *(0, 0, 256, 0, 256, 128, 0, -64, 0, 0, 0, 0),
]


def test_the_bias_comes_first_and_is_scaled_up() -> None:
    assert NAMES[0] == "bias"
    assert of("anything")["bias"] == BIAS == 4.0


def test_decoding_is_exact() -> None:
    x = encode({"messages": [{"role": "user", "content": "How many?"}]})

    assert struct.pack(f"<{D}h", *(round(v * 256) for v in decode(x).tolist())) == x


def test_another_length_is_another_version() -> None:
    with pytest.raises(ValueError, match="another feature version"):
        decode(b"\0\0")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("who sings that", "opens with who, when or where"),
        ("Which town is it?", "opens with what or which"),
        ("Why is it so?", "opens with how or why"),
        ("Write it down", "opens with an instruction"),
        ("Is it?\n", "ends with a question mark"),
        ("It is.", "ends with a full stop"),
        ("def f(x): return x", "code"),
        ("$x^2 + 1$", "formulas"),
        ("How many dollars in total?", "word problem"),
        ("Options: (A) yes (B) no", "multiple choice"),
        ("she told him", "people"),
        ("explain your reasoning", "asks for reasons"),
    ],
)
def test_a_kind_of_request_shows_in_its_feature(text: str, name: str) -> None:
    assert of(text)[name] > of("plain words")[name]


def test_the_last_user_message_is_the_request_and_the_rest_is_beside_it() -> None:
    x = encode(
        {
            "messages": [
                {"role": "system", "content": "s" * 640},
                {"role": "user", "content": "who?"},
                {"role": "assistant", "content": "me"},
                {"role": "user", "content": "Why?"},
            ]
        }
    )
    seen = dict(zip(NAMES, decode(x).tolist(), strict=True))

    assert seen["opens with how or why"] == 1
    assert seen["opens with who, when or where"] == 0
    assert seen["earlier turns"] == 1.0
    assert seen["instructions beside the message"] > 1.5


def test_text_parts_are_joined_and_other_parts_counted() -> None:
    parts = [
        {"type": "text", "text": "Why"},
        {"type": "image_url", "image_url": {"url": "data:"}},
        "odd",
        {"type": "text", "text": "this?"},
    ]
    seen = dict(
        zip(NAMES, decode(encode({"messages": [{"role": "user", "content": parts}]})), strict=True)
    )

    assert seen["opens with how or why"] == 1
    assert seen["ends with a question mark"] == 1
    assert seen["tools, formats or media"] == 2


def test_tools_and_formats_are_counted_and_null_is_none() -> None:
    asked = of("x", tools=[{}], response_format={"type": "json_object"}, functions=None)

    assert asked["tools, formats or media"] == 2


@pytest.mark.parametrize("messages", [None, "text", [], [7], [{"role": "user", "content": None}]])
def test_odd_messages_count_as_empty_text(messages: object) -> None:
    assert len(encode({"messages": messages})) == 2 * D


def test_a_long_text_is_sampled_at_both_ends_and_its_length_counts_in_full() -> None:
    middle = of("Why " + "a " * 20_000 + "?")
    shorter = of("Why " + "a " * 5_000 + "?")

    assert middle["length"] > shorter["length"]
    assert middle["opens with how or why"] == middle["ends with a question mark"] == 1


def test_counted_word_classes_are_disjoint() -> None:
    words = [word for text in features._CLASSES for word in text.split()]

    assert len(words) == len(set(words)) == len(features._CLASS_OF)


@given(st.text(max_size=300))
def test_every_text_encodes_within_bounds(text: str) -> None:
    x = decode(encode({"messages": [{"role": "user", "content": text}]}))

    assert x.shape == (D,)
    assert abs(x).max() <= 4.0


def test_a_lone_surrogate_is_encoded_like_any_text() -> None:
    assert len(encode({"messages": [{"role": "user", "content": "\ud800"}]})) == 2 * D
