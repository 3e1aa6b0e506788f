from __future__ import annotations

import inspect

import pytest

import trunkline
from trunkline import errors


@pytest.mark.parametrize("name", sorted(getattr(trunkline, "__all__", ["__all__"])))
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(trunkline, name) is not None
    assert name in dir(trunkline)


def test_public_names_are_named_once() -> None:
    assert len(set(trunkline.__all__)) == len(trunkline.__all__)


def test_everything_a_user_catches_is_public() -> None:
    tree = {
        name
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.TrunklineError)
    }

    assert tree <= set(trunkline.__all__)


def test_everything_a_user_passes_is_public() -> None:
    assert {"Router", "AsyncRouter", "Objective", "RouteOptions", "Model"} <= set(trunkline.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Rooter"):
        trunkline.Rooter  # noqa: B018
