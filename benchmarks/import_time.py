"""What importing us costs, beside ``import httpx`` in the same run.

Usage: ``python benchmarks/import_time.py [--bar 2.2] [--rounds 15]``

CPU seconds (user and system) of fresh interpreters, less those of an interpreter that imports
nothing, taken in turns so that a busy machine weighs on all alike; the smallest of each is
compared. Ends with status 1 where a ratio is above the bar.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile

BASE = "import httpx"
OURS = (
    "import trunkline",
    "from trunkline import Router; Router()",
)


def cpu_seconds(statement: str, folder: str) -> float:
    """Run a statement in a fresh interpreter and return the CPU it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, TRUNKLINE_STORE=os.path.join(folder, "store.sqlite3"))
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=folder, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int) -> dict[str, float]:
    """Return the smallest CPU time of each statement over interleaved rounds."""
    statements = ("pass", BASE, *OURS)
    with tempfile.TemporaryDirectory() as folder:
        runs = [[cpu_seconds(each, folder) for each in statements] for _ in range(rounds + 1)]
    # The first round compiles bytecode and warms the disk cache.
    return dict(zip(statements, map(min, *runs[1:]), strict=True))


def main() -> None:
    """Measure, print, and fail above the bar."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bar", type=float, default=2.2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    cpu = measure(options.rounds)
    empty = cpu.pop("pass")
    base = cpu[BASE] - empty
    ratios = {statement: (cpu[statement] - empty) / base for statement in OURS}

    print(f"{BASE}: {base * 1000:.0f} ms of CPU beyond the interpreter's {empty * 1000:.0f}")
    for statement, ratio in ratios.items():
        print(f"{statement}: {ratio:.2f} x {BASE} (bar {options.bar})")
    if max(ratios.values()) > options.bar:
        sys.exit(1)


if __name__ == "__main__":
    main()
