from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trunkline.storage import owner as module
from trunkline.storage.owner import is_dead, owner


@pytest.fixture
def fresh() -> Any:
    yield
    module._place.cache_clear()
    module._owner.cache_clear()


def other_process(*, wait: bool) -> tuple[Any, str]:
    code = "from trunkline.storage.owner import owner; print(owner(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_this_process_is_alive() -> None:
    assert str(os.getpid()) in owner()
    assert not is_dead(owner())


def test_another_process_is_alive_until_it_is_killed_even_before_it_is_reaped() -> None:
    process, name = other_process(wait=False)
    with process:
        alive = is_dead(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        zombie = is_dead(name)
    reaped = is_dead(name)

    assert (alive, zombie, reaped) == (False, True, True)


def test_a_pid_that_was_used_again_is_another_process() -> None:
    place, _, start = owner().rpartition(":")

    assert is_dead(f"{place}:{int(start) - 1}")


@pytest.mark.parametrize("part", [0, 1])
def test_L2_another_host_or_pid_namespace_is_never_declared_dead(part: int) -> None:
    parts = owner().split(":")
    parts[part] += "0"
    parts[2] = "999999999"

    assert not is_dead(":".join(parts))


@pytest.mark.parametrize("name", ["", "x", "a:b:c:d"])
def test_a_name_of_another_form_is_never_declared_dead(name: str) -> None:
    assert not is_dead(name)


@pytest.mark.parametrize(("error", "dead"), [(ProcessLookupError, True), (PermissionError, False)])
def test_a_process_that_is_only_hidden_is_not_dead(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError], dead: bool
) -> None:
    place = ":".join(owner().split(":")[:2])

    def kill(pid: int, signal: int) -> None:
        raise error

    monkeypatch.setattr(os, "kill", kill)

    assert is_dead(f"{place}:999999999:1") is dead


def test_a_process_that_hides_and_answers_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    place = ":".join(owner().split(":")[:2])
    monkeypatch.setattr(os, "kill", lambda *_: None)

    assert not is_dead(f"{place}:999999999:1")


def test_without_proc_nobody_is_provably_dead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh: None
) -> None:
    monkeypatch.setattr(module, "_PROC", tmp_path)
    module._place.cache_clear()
    module._owner.cache_clear()

    name = owner()

    assert name.endswith(f":-:{os.getpid()}:")
    assert not is_dead(name)
