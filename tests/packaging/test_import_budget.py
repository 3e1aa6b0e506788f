"""Importing us stays light and silent; seen from a fresh interpreter with an audit hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What a user pays for only when a call needs it. trunkline.providers.openai and its siblings are
# left out on purpose: naming the configured providers may load their classes.
HEAVY_FOR_IMPORT = {"numpy", "httpx", "httpcore", "anyio", "asyncio", "tenacity", "ssl", "sqlite3"}
HEAVY_FOR_ROUTER = {"numpy", "httpx", "httpcore", "tenacity"}

PROBE = """
import _thread, json, sys
seen = {"sockets": [], "threads": [], "processes": [], "opened": []}
kinds = {"socket.": "sockets", "subprocess.": "processes", "os.fork": "processes"}

def watch(event, args):
    for start, kind in kinds.items():
        if event.startswith(start):
            seen[kind].append(event)
    if event == "open" and isinstance(args[0], str):
        seen["opened"].append(args[0])

def counted(start):
    return lambda *args, **kwargs: seen["threads"].append("thread") or start(*args, **kwargs)

sys.addaudithook(watch)
for name in ("start_new_thread", "start_joinable_thread"):  # no audit event before Python 3.12
    if hasattr(_thread, name):
        setattr(_thread, name, counted(getattr(_thread, name)))
exec(sys.argv[1])
seen["modules"] = sorted({name.partition(".")[0] for name in sys.modules})
seen["homes"] = [sys.prefix, sys.base_prefix, *filter(None, sys.path)]
print(json.dumps(seen))
"""


def probe(statement: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, statement],
        cwd=folder,
        env={**os.environ, "TRUNKLINE_STORE": str(folder / "store.sqlite3")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def strangers(seen: dict[str, Any]) -> list[str]:
    """Files opened outside the interpreter, its libraries and the package."""
    homes = tuple(os.path.realpath(home) for home in seen["homes"])
    return [path for path in seen["opened"] if not os.path.realpath(path).startswith(homes)]


@pytest.mark.parametrize("name", ["numpy", "socket", "threading"])
def test_the_probe_sees_what_it_is_there_for(name: str, tmp_path: Path) -> None:
    statements = {
        "numpy": "import numpy",
        "socket": "import socket; socket.socket().close()",
        "threading": "import threading; threading.Thread(target=int).start()",
    }

    seen = probe(statements[name], tmp_path)

    assert name in seen["modules"]
    assert name != "socket" or seen["sockets"]
    assert name != "threading" or seen["threads"]


def test_the_probe_sees_a_file_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")

    seen = probe(f"open({str(tmp_path / 'mine')!r})", tmp_path)

    assert strangers(seen) == [str(tmp_path / "mine")]


def test_import_loads_nothing_heavy_and_touches_nothing(tmp_path: Path) -> None:
    seen = probe("import trunkline", tmp_path)

    assert not HEAVY_FOR_IMPORT & set(seen["modules"])
    assert not seen["sockets"]
    assert not seen["threads"]
    assert not seen["processes"]
    assert not strangers(seen)


def test_a_router_opens_no_socket_no_thread_no_store_and_loads_no_numpy(tmp_path: Path) -> None:
    seen = probe("from trunkline import Router; Router()", tmp_path)

    assert not HEAVY_FOR_ROUTER & set(seen["modules"])
    assert not seen["sockets"]
    assert not seen["threads"]
    assert not seen["processes"]
    assert not strangers(seen)
    assert not list(tmp_path.iterdir())


def test_a_router_with_keys_of_every_provider_is_as_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "sk-not-a-key-but-long-enough")

    seen = probe("from trunkline import Router; Router()", tmp_path)

    assert not HEAVY_FOR_ROUTER & set(seen["modules"])
    assert not seen["sockets"]
    assert not strangers(seen)
