"""Races and kills with real processes on one file; the provider keeps books of its own."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.books import CENT, Books, offer, paid

from trunkline.storage import ledger
from trunkline.storage.records import Granted, NotGranted

THREADS = 4


def race(arguments: tuple[str, int, int]) -> list[int]:
    """Call from several threads until the budget refuses; returns what the provider billed."""
    path, seed, calls = arguments
    books = Books(path)
    billed: list[int] = []

    def client(number: int) -> None:
        dice = random.Random(seed * 100 + number)
        for i in range(calls):
            books.now = time.time()
            _, grant = books.reserve(call_id=f"{seed}-{number}-{i}")
            if isinstance(grant, Granted):
                cost = dice.randint(CENT // 2, CENT)
                billed.append(cost)
                books.settle(f"{seed}-{number}-{i}", paid(cost))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    books.close()
    return billed


def run_race(path: str, method: Any, processes: int, calls: int) -> None:
    books = Books(path)
    books.now = time.time()
    limit = processes * THREADS * calls * CENT * 3 // 8  # about half of what is asked
    books.budget("all", limit, per="total", on_exceeded="refuse")

    with multiprocessing.get_context(method).Pool(processes) as pool:
        billed = pool.map(race, [(path, seed, calls) for seed in range(processes)], chunksize=1)
        pool.close()
        pool.join()

    spent = sum(map(sum, billed))
    assert books.figures("all", "total") == (spent, 0)
    assert limit - CENT < spent <= limit
    books.assert_sound()
    books.close()


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_L1_a_race_for_the_last_cent_overspends_nothing(store_path: str, method: Any) -> None:
    run_race(store_path, method, processes=2, calls=15)


@pytest.mark.soak
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_L1_eight_processes_of_many_threads(store_path: str, method: Any) -> None:
    run_race(store_path, method, processes=8, calls=50)


def victim(path: str, bill: str, number: int) -> None:
    """Reserve, send (the provider notes its bill), settle; for ever, until killed."""
    books = Books(path)
    provider = os.open(bill, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for i in range(1_000_000):
        books.now = time.time()
        call_id, grant = books.reserve(call_id=f"{number}-{i}")
        if isinstance(grant, NotGranted):
            break
        cost = CENT // 2 + i % 1000
        os.write(provider, b"%d\n" % cost)
        books.settle(call_id, paid(cost))


def test_L2_a_process_killed_at_any_moment_loses_no_spend(
    store_path: str, tmp_path: Path, campaign: Any
) -> None:
    bill, kills = tmp_path / "bill", campaign(200)
    books = Books(store_path)
    books.now = time.time()
    books.budget("all", 100_000 * CENT, per="total")
    fork = multiprocessing.get_context("fork")

    for number in range(kills):
        process = fork.Process(target=victim, args=(store_path, str(bill), number))
        process.start()
        time.sleep(random.uniform(0.005, 0.05))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()

        books.now = time.time()
        books.settle(books.granted(call_id=f"after-{number}"), paid(0))
        books.assert_sound()

    billed = sum(map(int, bill.read_text().split()))
    spent, held = books.figures("all", "total")
    assert held == 0
    assert billed <= spent <= billed + kills * CENT
    books.close()


def stubborn(path: str, number: int, until: float) -> int:
    books, calls = Books(path), 0
    while time.time() < until:
        books.now = time.time()
        books.settle(books.granted(call_id=f"{number}-{calls}"))
        calls += 1
    books.close()
    return calls


@pytest.mark.soak
def test_D8_sixteen_writers_without_pause_keep_the_log_small(store_path: str) -> None:
    fork = multiprocessing.get_context("fork")
    until = time.time() + 30
    with fork.Pool(16) as pool:
        work = pool.starmap_async(stubborn, [(store_path, n, until) for n in range(16)], 1)
        largest = 0
        while not work.ready():
            time.sleep(0.2)
            log = Path(f"{store_path}-wal")
            largest = max(largest, log.stat().st_size if log.exists() else 0)
        calls = work.get()
        pool.close()
        pool.join()

    assert largest <= 128 * 2**20
    assert all(calls)
    books = Books(store_path)
    books.assert_sound()
    books.close()


def test_threads_of_one_process_share_one_file(store_path: str) -> None:
    books = Books(store_path)
    books.budget("all", 20 * CENT)
    grants: list[Any] = []

    def client(number: int) -> None:
        grants.extend(books.reserve(call_id=f"{number}-{i}")[1] for i in range(10))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(grant, Granted) for grant in grants) == 20
    assert books.figures("all") == (0, 20 * CENT)
    books.close()


def test_twenty_candidates_cost_one_statement_more_per_group(store_path: str) -> None:
    """Budgets are read once per reserve, however many candidates share them."""
    books = Books(store_path)
    for scope in ("all", "team:t", "user:u", "team:t/user:u", "tag:k=v"):
        books.budget(scope, 1000 * CENT)
    who: dict[str, Any] = {"team": "t", "user": "u", "tags": {"k": "v"}}
    books.granted(**who)
    statements: list[str] = []
    connection: Any = books.database._mine.connection
    connection.set_trace_callback(statements.append)

    books.granted(*[offer(f"m{i}") for i in range(20)], **who)

    connection.set_trace_callback(None)
    assert len(statements) <= 9
    books.settle(ledger.open_holds(connection)[0].call_id)
    books.close()
