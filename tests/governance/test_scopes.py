from __future__ import annotations

from typing import Any

import pytest

from trunkline.errors import ConfigurationError
from trunkline.governance import scopes
from trunkline.governance.scopes import Spending

ONE = Spending("research", "bo", "openai", "org/model:latest", {"env": "prod", "k": "a=b/c"})


@pytest.mark.parametrize(
    "text",
    [
        "all",
        "team:research",
        "user:bo",
        "team:research/user:bo",
        "provider:openai",
        "model:openai/org/model:latest",
        "tag:env=prod",
        "tag:k=a=b/c",
        "team:*",
        "user:*",
        "team:research/user:*",
        "team:*/user:bo",
        "team:*/user:*",
        "provider:*",
        "model:openai/*",
        "model:*/*",
        "tag:env=*",
    ],
)
def test_every_form_of_the_grammar_counts_what_it_names(text: str) -> None:
    assert scopes.parse(text).matches(ONE)


@pytest.mark.parametrize(
    "text",
    [
        *("team:other", "user:jo", "team:research/user:jo", "team:other/user:bo", "provider:p"),
        *("model:openai/x", "tag:env=test", "tag:other=prod", "tag:other=*", "block:1"),
    ],
)
def test_a_scope_does_not_count_others(text: str) -> None:
    assert not scopes.parse(text).matches(ONE)


def test_a_call_without_team_counts_for_no_team() -> None:
    nobody = Spending(None, None, "p", "m", {})

    assert not any(
        scopes.parse(text).matches(nobody) for text in ("team:*", "user:*", "team:*/user:*")
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "All",
        "team",
        "team:",
        "team:a/b",
        "team:a/user:",
        "team:a/b/user:c",
        "user:a*",
        "user:a\nb",
        "provider:",
        "model:x",
        "model:/x",
        "tag:env",
        "tag:=x",
        "tag:*=x",
        "tag:*=*",
        "model:*",
        "planet:earth",
        "user:" + "x" * 201,
        7,
        None,
    ],
)
def test_anything_else_is_refused_with_the_forms(text: Any) -> None:
    with pytest.raises(ConfigurationError, match="tag:KEY=VALUE"):
        scopes.parse(text)


def test_literal_scopes_of_a_call_all_parse_and_match() -> None:
    names = scopes.literal_scopes("research", "bo", {"env": "prod"}, "openai", "m", ["7"])

    assert names == (
        "all",
        "team:research",
        "user:bo",
        "team:research/user:bo",
        "tag:env=prod",
        "block:7",
        "provider:openai",
        "model:openai/m",
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, ("provider:P", "model:P/org/m-1")),
        ("Org/M-1", ("provider:P", "model:P/org/m-1")),
        ("Org/M", ("provider:P", "model:P/org/m-1", "model:P/org/m")),
    ],
)
def test_a_model_is_counted_under_its_name_and_its_entry(
    entry: str | None, expected: tuple[str, ...]
) -> None:
    spending = scopes.Spending(None, None, "P", "Org/M-1", {}, entry or "")

    assert scopes.offer_scopes("P", "Org/M-1", entry) == expected
    assert all(scopes.parse(text).matches(spending) for text in expected)


def test_the_case_of_a_model_is_no_part_of_its_scope() -> None:
    assert scopes.canonical("model:Mine/Org/M:Latest") == "model:Mine/org/m:latest"
    assert scopes.canonical("team:Research") == "team:Research"
    with pytest.raises(ConfigurationError):
        scopes.canonical("planet:earth")


@pytest.mark.parametrize("team", ["", "*", "a/user:b", "a\x00", "x" * 201])
def test_an_identity_cannot_pose_as_another_scope(team: str) -> None:
    with pytest.raises(ConfigurationError, match="team="):
        scopes.call_scopes(team, "bo", {})


def test_a_tag_cannot_move_its_border() -> None:
    with pytest.raises(ConfigurationError, match="must not contain"):
        scopes.call_scopes(None, None, {"a=b": "c"})


@pytest.mark.parametrize(
    ("literal", "templates"),
    [
        ("all", ()),
        ("team:a", ("team:*",)),
        ("user:a", ("user:*",)),
        ("team:a/user:b", ("team:a/user:*", "team:*/user:b", "team:*/user:*")),
        ("provider:p", ("provider:*",)),
        ("model:p/a/b", ("model:p/*", "model:*/*")),
        ("tag:k=v", ("tag:k=*",)),
        ("block:1", ()),
        ("nonsense", ()),
    ],
)
def test_templates_come_most_specific_first(literal: str, templates: tuple[str, ...]) -> None:
    assert scopes.templates_of(literal) == templates
    for template in templates:
        assert scopes.parse(template).is_template
        assert scopes.parse(template).covers(scopes.parse(literal))
