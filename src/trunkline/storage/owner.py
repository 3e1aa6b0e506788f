"""Who holds money: one process on one host, and whether it is provably gone.

The pid namespace is part of the name, because two containers on one volume see different processes
under one pid; the start time is, because pids are used again. Away from Linux nobody is ever
provably dead, and the lease alone decides.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")
_STATE, _START = 0, 19  # fields of /proc/PID/stat after the command's closing bracket


def owner() -> str:
    """Return this process as ``boot id:pid namespace:pid:start time``."""
    return _owner(os.getpid())


def is_dead(name: str) -> bool:
    """Whether ``name`` ran on this host, in this pid namespace, and runs no more."""
    place, pid, start = _parts(name)
    if place != _place() or not start or not pid.isdigit():
        return False
    try:
        fields = _stat(int(pid))
    except OSError:
        return _is_no_process(int(pid))
    # A zombie has ended: it only waits to be reaped, and settles nothing.
    return fields[_START] != start or fields[_STATE] in "ZX"


@lru_cache(maxsize=8)  # a forked child asks with another pid
def _owner(pid: int) -> str:
    try:
        start = _stat(pid)[_START]
    except OSError:
        start = ""
    return f"{_place()}:{pid}:{start}"


@lru_cache(maxsize=1)
def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{socket.gethostname()}:-"


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _is_no_process(pid: int) -> bool:
    """Tell a process that is gone from one that ``hidepid`` hides."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _parts(name: str) -> tuple[str, str, str]:
    place, _, rest = name.rpartition(":")
    place, _, pid = place.rpartition(":")
    return place, pid, rest
