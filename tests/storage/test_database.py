from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from tests.support.books import Books

from trunkline.errors import ConfigurationError, StorageError
from trunkline.storage import _sqlite, database, migrations, usage
from trunkline.storage.database import Busy, Database

fork = multiprocessing.get_context("fork")


def add(name: str = "n") -> Any:
    return lambda connection: usage.count(connection, name)


def counters(db: Database) -> dict[str, int]:
    return db.read(usage.counters)


def in_child(fn: Any) -> str:
    """Run ``fn`` in a forked child and return what it returns, or its error's name."""
    queue = fork.SimpleQueue()

    def run() -> None:
        try:
            queue.put(str(fn()))
        except BaseException as error:  # noqa: BLE001  # the parent judges it
            queue.put(f"{type(error).__name__}: {error}")

    process = fork.Process(target=run)
    process.start()
    answer = queue.get()
    process.join(10)
    queue.close()
    return str(answer)


def interrupted(fn: Any, after_s: float) -> bool:
    """Run ``fn`` with a KeyboardInterrupt on its way; whether it arrived."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    trace = sys.gettrace()
    sys.settrace(None)  # coverage takes a lock of its own, which an interrupt would leak
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        try:
            fn()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGALRM, before)
        sys.settrace(trace)
    return False


@pytest.fixture
def db(store_path: str) -> Any:
    db = Database(store_path)
    yield db
    db.close()


def test_nothing_is_opened_before_the_first_call(store_path: str) -> None:
    db = Database(store_path)

    db.close()

    assert not os.path.exists(store_path)


def test_what_is_written_is_there_for_the_next_process(db: Database, store_path: str) -> None:
    db.write(add())
    db.close()

    again = Database(store_path)
    assert counters(again) == {"n": 1}
    again.close()


def test_a_closed_database_opens_again(db: Database) -> None:
    db.write(add())
    db.close()

    db.write(add())

    assert counters(db) == {"n": 2}


def test_a_memory_store_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    db = Database(":memory:")

    for _ in range(70):
        db.write(add())

    assert counters(db) == {"n": 70}
    assert os.listdir(tmp_path) == []
    db.close()


def test_a_relative_path_stays_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    db = Database("s.db")
    monkeypatch.chdir("/")

    db.write(add())

    assert db.path == str(tmp_path / "s.db")
    assert os.path.exists(db.path)
    db.close()


@pytest.mark.parametrize("arguments", [{"durability": "fast"}, {"target": "postgresql://x/y"}])
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"durability=|store="):
        Database(**{"target": "x", **arguments})


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_D9_the_file_is_opened_as_the_contract_says(
    store_path: str, durability: str, level: int
) -> None:
    db = Database(store_path, durability=durability)

    def pragma(name: str) -> Any:
        return db.read(lambda c: c.execute(f"PRAGMA {name}").fetchone()[0])

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == level
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 0
    db.close()


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_X5_modes_are_ours_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "deep" / "folder" / "s.db"
    db = Database(str(path))
    if umask == 0o777:
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o700)

    before = os.umask(umask)
    try:
        db.write(add())
    finally:
        os.umask(before)

    modes = {
        name: stat.S_IMODE((path.parent / name).stat().st_mode) for name in os.listdir(path.parent)
    }
    assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    db.close()


def test_X5_a_file_that_everyone_may_write_is_refused(db: Database) -> None:
    db.write(add())
    db.close()
    os.chmod(db.path, 0o666)  # noqa: S103  # what is refused

    with pytest.raises(StorageError, match="chmod 600"):
        db.write(add())


def test_X5_another_users_file_is_refused(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db.write(add())
    db.close()
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(db.path).st_uid + 1)

    with pytest.raises(StorageError, match="another user"):
        db.write(add())


def test_D1_another_writer_makes_a_try_busy_and_the_next_one_succeeds(db: Database) -> None:
    db.write(add())
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Busy):
        db.write(add())
    assert counters(db) == {"n": 1}

    other.execute("ROLLBACK")
    other.close()
    db.write(add())


def test_D1_another_process_that_is_opening_the_file_makes_a_try_busy(store_path: str) -> None:
    other = sqlite3.connect(store_path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    db = Database(store_path)

    with pytest.raises(Busy):
        db.write(add())

    other.execute("ROLLBACK")
    other.close()
    db.write(add())
    db.close()


def test_another_thread_in_the_store_makes_a_try_busy(db: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stay(connection: Any) -> None:
        inside.set()
        leave.wait(10)

    thread = threading.Thread(target=db.write, args=(stay,))
    thread.start()
    inside.wait(10)

    with pytest.raises(Busy):
        db.write(add())
    with pytest.raises(Busy):
        db.read(usage.counters)

    leave.set()
    thread.join()
    db.write(add())


def test_a_nested_call_is_busy_and_the_outer_one_goes_on(db: Database) -> None:
    def outer(connection: Any) -> None:
        add()(connection)
        with pytest.raises(Busy):
            db.write(add())
        with pytest.raises(Busy):
            db._release(db._mine)
        add()(connection)

    db.write(outer)

    assert counters(db) == {"n": 2}
    free = threading.Thread(target=db.write, args=(add(),))
    free.start()
    free.join()
    assert counters(db) == {"n": 3}


def test_a_left_over_transaction_is_rolled_back(db: Database) -> None:
    db.write(add())
    db._mine.connection.execute("BEGIN IMMEDIATE")  # type: ignore[union-attr]
    db._mine.connection.execute("DELETE FROM counter")  # type: ignore[union-attr]

    db.write(add())

    assert counters(db) == {"n": 2}


def test_an_exception_inside_rolls_back_and_is_raised_as_it_is(db: Database) -> None:
    def fail(connection: Any) -> None:
        add()(connection)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        db.write(fail)

    assert counters(db) == {}


def test_S11_an_interrupt_at_any_line_leaves_neither_lock_nor_transaction(db: Database) -> None:
    """Raise KeyboardInterrupt before every line of the store call in turn."""
    db.write(add())
    here = database.__file__
    done = 0

    def tracer_at(stop: int) -> Any:
        seen = 0

        def trace(frame: Any, event: str, arg: Any) -> Any:
            nonlocal seen
            if frame.f_code.co_filename != here:
                return None
            if event == "line" and frame.f_code.co_name in ("_transact", "_connected", "_drain"):
                seen += 1
                if seen == stop:
                    raise KeyboardInterrupt
            return trace

        return trace

    for stop in range(1, 60):
        db.defer(add("deferred"))
        before = sys.gettrace()  # coverage measures by the same means
        sys.settrace(tracer_at(stop))
        try:
            db.write(add())
        except KeyboardInterrupt:
            done += 1
        finally:
            sys.settrace(before)
        assert db._mine.active is False
        other = threading.Thread(target=db.write, args=(add("after"),))
        other.start()
        other.join()
        assert counters(db)["after"] == stop

    assert done > 10


def test_S11_real_interrupts_around_the_store_call_never_leak_the_lock(
    db: Database, campaign: Any
) -> None:
    db.write(add())
    hits = 0
    for i in range(campaign(2000)):
        hits += interrupted(lambda: db.write(add()), after_s=20e-6 + (i % 40) * 4e-6)
        probe = threading.Thread(target=db.write, args=(add("after"),))
        probe.start()
        probe.join()
        assert counters(db)["after"] == i + 1

    assert hits > 0


def test_what_a_finaliser_defers_is_written_by_the_next_call(db: Database) -> None:
    db.write(add())

    class Stream:
        def __del__(self) -> None:
            db.defer(add("dropped"))

    Stream()
    gc.collect()
    assert counters(db) == {"n": 1}

    db.write(add())

    assert counters(db) == {"n": 2, "dropped": 1}


def test_a_finaliser_that_runs_inside_a_store_call_does_not_deadlock(db: Database) -> None:
    class Stream:
        def __del__(self) -> None:
            db.defer(add("dropped"))

    def drop_one(connection: Any) -> None:
        Stream()
        add()(connection)

    db.write(drop_one)
    db.close()

    assert counters(db) == {"n": 1, "dropped": 1}


def test_what_was_deferred_survives_a_call_that_fails(db: Database) -> None:
    db.defer(add("dropped"))

    def fail(connection: Any) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        db.write(fail)
    assert counters(db) == {}
    db.write(add())

    assert counters(db) == {"n": 1, "dropped": 1}


def test_a_broken_deferred_step_is_logged_and_stops_nobody(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def half(connection: Any) -> None:
        add("half")(connection)
        raise LookupError("broken")

    db.defer(half)
    db.defer(add("whole"))

    db.write(add())

    assert counters(db) == {"n": 1, "whole": 1}
    assert "deferred settlement failed" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c: c.execute("INSERT INTO nowhere VALUES (1)"),
        lambda c: c.execute("INSERT INTO counter VALUES ('budgets', 1)"),
        lambda c: c.execute("SELECT ?", (2**63,)),
        lambda c: c.execute("SELECT ?", (object(),)),
        lambda c: c.execute("SELECT ?", ()),
    ],
)
def test_a_deferred_step_that_can_never_succeed_is_dropped_and_logged(
    db: Database, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def half(connection: Any) -> None:
        add("half")(connection)
        wrong(connection)

    db.defer(half)
    db.defer(add("whole"))

    db.write(add())

    assert counters(db) == {"n": 1, "whole": 1}
    assert "was dropped" in caplog.text
    assert not db._mine.deferred


def fails_once(code: int) -> Any:
    tries: list[int] = []

    def step(connection: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            error = sqlite3.OperationalError("the disk")
            error.sqlite_errorcode = code
            raise error
        add("step")(connection)

    return step


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR | 13 << 8]
)
def test_a_deferred_step_that_the_disk_refuses_is_kept(db: Database, code: int) -> None:
    db.write(add())
    db.defer(fails_once(code))

    with pytest.raises(StorageError, match="the disk"):
        db.write(add())

    assert counters(db) == {"n": 1}
    db.write(add())
    assert counters(db) == {"n": 2, "step": 1}


def test_a_deferred_step_that_lost_the_transaction_takes_the_call_with_it(db: Database) -> None:
    db.write(add())
    db.defer(lambda c: (c.execute("ROLLBACK"), c.execute("INSERT INTO nowhere VALUES (1)")))

    with pytest.raises(StorageError, match="nowhere"):
        db.write(add())

    db._mine.deferred.clear()
    assert counters(db) == {"n": 1}


def test_close_says_so_when_deferred_steps_are_lost(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    db.write(add())
    db.defer(fails_once(sqlite3.SQLITE_FULL))

    db.close()

    assert "were not written" in caplog.text


def test_close_waits_for_a_moment_and_then_leaves_it_to_the_lease(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.write(add())
    db.defer(add("dropped"))
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    db.close()

    assert len(waits) == database._CLOSE_TRIES
    other.close()
    db.close()
    assert counters(db) == {"n": 1, "dropped": 1}


def test_close_from_another_thread_waits_for_the_call_under_way(db: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stay(connection: Any) -> None:
        inside.set()
        leave.wait(10)
        add()(connection)

    thread = threading.Thread(target=db.write, args=(stay,))
    thread.start()
    inside.wait(10)
    threading.Timer(0.05, leave.set).start()

    db.close()

    thread.join()
    assert counters(db) == {"n": 1}


def test_what_is_deferred_is_written_at_exit(store_path: str) -> None:
    code = (
        "import sys; from trunkline.storage.database import Database; from trunkline.storage import"
        " usage; db = Database(sys.argv[1]); db.defer(lambda c: usage.count(c, 'n'))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, store_path], check=True, timeout=60)

    db = Database(store_path)
    assert counters(db) == {"n": 1}
    db.close()


def test_exit_closes_every_store_that_is_left(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = weakref.ref(Database(":memory:"))
    monkeypatch.setattr(database, "_live", {1: dropped, 2: weakref.ref(db)})
    db.defer(add())

    database._close_all()

    assert db._mine.connection is None
    assert counters(db) == {"n": 1}


def test_a_store_that_cannot_be_brought_up_to_date_is_closed_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def migrate(connection: Any, path: str) -> None:
        raise StorageError("no")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "migrate", migrate)
        with pytest.raises(StorageError, match="no"):
            db.write(add())
    assert not os.path.exists(f"{db.path}-wal")

    db.write(add())
    assert counters(db) == {"n": 1}


def test_a_fork_before_the_first_call_opens_the_store_in_the_child(db: Database) -> None:
    db.after_fork_in_child()

    db.write(add())

    assert counters(db) == {"n": 1}


def test_a_database_that_is_dropped_is_forgotten(store_path: str) -> None:
    db = Database(store_path)
    reference = weakref.ref(db)

    key = id(db)
    del db
    gc.collect()

    assert reference() is None
    assert key not in database._live


@pytest.mark.parametrize(
    "content",
    [b"this is not a database, but a letter" * 200, b"SQLite format 3\x00" + b"\xff" * 8000],
    ids=["text", "torn header"],
)
def test_D4_a_file_that_is_no_database_is_named_and_not_touched(
    store_path: str, content: bytes
) -> None:
    Path(store_path).write_bytes(content)
    db = Database(store_path)

    for _ in range(2):
        with pytest.raises(StorageError, match=store_path):
            db.write(add())
    db.close()

    assert Path(store_path).read_bytes() == content


def test_D4_a_file_torn_while_open_is_named_and_works_again_when_restored(
    db: Database, store_path: str
) -> None:
    db.write(add())
    db.close()
    whole = Path(store_path).read_bytes()
    torn = whole[:4096] + b"\x00" * (len(whole) - 4096)
    Path(store_path).write_bytes(torn)

    with pytest.raises(StorageError, match=store_path):
        db.write(add())
    assert Path(store_path).read_bytes() == torn

    Path(store_path).write_bytes(whole)
    db.write(add())
    assert counters(db) == {"n": 2}


def test_D4_a_file_deleted_while_open_is_named_and_not_made_anew(
    db: Database, store_path: str, tmp_path: Path
) -> None:
    db.write(add())
    db.close()
    backup = Path(store_path).read_bytes()
    db.write(add("lost"))
    for name in os.listdir(tmp_path):
        os.unlink(tmp_path / name)

    for _ in range(2):
        with pytest.raises(StorageError, match="was deleted while in use"):
            db.write(add())
    assert os.listdir(tmp_path) == []

    Path(store_path).write_bytes(backup)
    db.write(add())
    assert counters(db) == {"n": 2}


def test_D3_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    db = Database(str(tmp_path))

    with pytest.raises(StorageError, match=str(tmp_path)):
        db.write(add())


def test_D3_a_place_where_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    db = Database(str(tmp_path / "file" / "s.db"))

    with pytest.raises(StorageError, match=r"file/s\.db"):
        db.write(add())


def test_D3_a_read_only_store_fails_closed_and_recovers(db: Database) -> None:
    db.write(add())
    db._mine.connection.execute("PRAGMA query_only=ON")  # type: ignore[union-attr]

    with pytest.raises(StorageError, match="READONLY"):
        db.write(add())

    db.write(add())
    assert counters(db) == {"n": 2}


def test_D3_a_full_disk_fails_closed_and_recovers(db: Database) -> None:
    db.write(add())
    size = db._mine.connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]
    db._mine.connection.execute(f"PRAGMA max_page_count={size}")  # type: ignore[union-attr]

    def fill(connection: Any) -> None:
        for i in range(2000):
            usage.count(connection, f"a long name to fill pages with {i}")

    with pytest.raises(StorageError, match="FULL"):
        db.write(fill)

    db.write(add())
    assert counters(db) == {"n": 2}
    assert db.check() == []


def test_D3_a_file_size_limit_fails_closed_and_recovers(db: Database) -> None:
    db.write(add())

    def fill(connection: Any) -> None:
        for i in range(20_000):
            usage.count(connection, f"a long name to fill pages with {i}")

    def child() -> str:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        )
        with pytest.raises(StorageError, match=r"trunkline\.sqlite3"):
            db.write(fill)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        db.write(add())
        return f"{len(counters(db))} {db.check()}"

    assert in_child(child) == "1 []"


def test_a_file_system_without_a_log_is_refused(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    class NoLog(_sqlite.SqliteConnection):
        def execute(self, sql: str, *rest: Any) -> Any:
            return super().execute(sql.replace("journal_mode=WAL", "journal_mode=DELETE"), *rest)

    def connect(path: str, **options: Any) -> Any:
        return real(path, **{**options, "factory": NoLog})

    monkeypatch.setattr(sqlite3, "connect", connect)

    with pytest.raises(StorageError, match="local disk"):
        db.write(add())


def test_D8_a_log_above_its_limit_is_restarted(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.write(add())
    db._mine.connection.execute("PRAGMA wal_autocheckpoint=0")  # type: ignore[union-attr]
    monkeypatch.setattr(_sqlite, "WAL_LIMIT", 100_000)

    sizes = []
    for _ in range(4 * database._WAL_CHECK_EVERY):
        db.write(add())
        sizes.append(os.stat(f"{db.path}-wal").st_size)

    assert max(sizes) < 100_000 + 2 * database._WAL_CHECK_EVERY * 4200
    assert db.check() == []


def test_D8_a_reader_in_the_way_of_the_restart_is_tolerated(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.write(add())
    monkeypatch.setattr(_sqlite, "WAL_LIMIT", 1)
    reader = sqlite3.connect(db.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM counter").fetchall()

    for _ in range(2 * database._WAL_CHECK_EVERY):
        db.write(add())

    assert counters(db) == {"n": 1 + 2 * database._WAL_CHECK_EVERY}
    reader.close()


def test_a_missing_log_is_no_fault(db: Database) -> None:
    db.write(add())

    assert not _sqlite.keep_log_small(db._mine.connection, "/nowhere")  # type: ignore[arg-type]

    assert counters(db) == {"n": 1}


@pytest.mark.parametrize(
    ("version", "warns"), [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False)]
)
def test_D8_an_old_sqlite_is_named(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], warns: bool
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)

    assert (_sqlite.sqlite_version_note() is not None) is warns


def test_L3_a_childs_commits_survive_the_parents_close(store_path: str) -> None:
    """An open handle across a fork loses them: the parent deletes the log under the child."""
    parent = Database(store_path)
    parent.write(add())
    ready, go = fork.Event(), fork.Event()

    def child() -> None:
        parent.write(add())
        ready.set()
        go.wait(20)
        parent.write(add())
        os._exit(0)

    process = fork.Process(target=child)
    process.start()
    assert ready.wait(20)
    parent.write(add())
    parent.close()
    go.set()
    process.join(20)

    assert counters(parent) == {"n": 4}
    assert parent.check() == []
    parent.close()


def test_L3_a_fork_while_another_thread_writes_waits_for_it(db: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stay(connection: Any) -> None:
        add()(connection)
        inside.set()
        leave.wait(10)

    thread = threading.Thread(target=db.write, args=(stay,))
    thread.start()
    inside.wait(10)
    threading.Timer(0.05, leave.set).start()

    answer = in_child(lambda: (db.write(add()), counters(db))[1])

    thread.join()
    assert answer == "{'n': 2}"
    db.write(add())


def test_L3_a_fork_that_waited_in_vain_refuses_in_the_child(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "_FORK_WAIT_S", 0.01)
    inside, leave = threading.Event(), threading.Event()

    def stay(connection: Any) -> None:
        inside.set()
        leave.wait(10)

    db.write(add())
    thread = threading.Thread(target=db.write, args=(stay,))
    thread.start()
    inside.wait(10)

    answer = in_child(lambda: db.write(add()))

    leave.set()
    thread.join()
    assert answer.startswith("StorageError: ")
    assert "after the fork" in answer
    assert "forked while another thread" in caplog.text
    db.write(add())


def test_L3_a_memory_store_stays_with_its_process() -> None:
    db = Database(":memory:")
    db.write(add())

    answer = in_child(lambda: db.write(add()))

    assert answer.startswith("StorageError")
    assert counters(db) == {"n": 1}
    db.close()


def test_L3_a_fork_that_no_hook_saw_is_noticed_by_the_pid(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.write(add())
    kept = db._mine.connection
    monkeypatch.setattr(os, "getpid", lambda: 999_999_999)

    db.close()
    with pytest.raises(StorageError, match="after the fork"):
        db.write(add())

    assert kept is not None
    kept.close()


def test_L3_what_was_deferred_before_a_fork_is_written_once(db: Database) -> None:
    db.write(add())
    db.defer(add("dropped"))

    in_child(lambda: db.write(add()))
    db.write(add())

    assert counters(db) == {"n": 3, "dropped": 1}


def test_books_open_and_close_without_a_trace(store_path: str) -> None:
    books = Books(store_path)
    books.settle(books.granted())

    books.close()

    assert sorted(os.listdir(os.path.dirname(store_path))) == ["trunkline.sqlite3"]
