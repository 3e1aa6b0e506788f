"""L1: many processes, threads and tasks race for the last dollar of one store."""

from __future__ import annotations

import multiprocessing
from typing import Any, NamedTuple

import pytest
from tests.crash import racers
from tests.crash.scene import audit, reservation, router_on, simulated

from trunkline.types.money import usd

WAYS = ("threads", "tasks", "streams", "async streams")

# Python warns of any fork with threads about; that forks are safe here is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Field(NamedTuple):
    """How many race, and how often each of them calls."""

    processes: int
    workers: int
    calls: int

    @property
    def demand(self) -> int:
        return self.processes * self.workers * self.calls


@pytest.fixture(
    params=[
        pytest.param(Field(4, 4, 10), id="4x4x10"),
        pytest.param(Field(8, 8, 25), id="8x8x25", marks=pytest.mark.soak),
    ]
)
def field(request: pytest.FixtureRequest) -> Field:
    found: Field = request.param
    return found


def race(path: str, way: str, start: str, field: Field) -> list[dict[str, Any]]:
    context: Any = multiprocessing.get_context(start)
    pipes, processes = [], []
    for number in range(field.processes):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=racers.run, args=(theirs, path, way, 100 * number, *field[1:])
        )
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    assert [pipe.recv() for pipe in pipes] == ["ready"] * field.processes
    for pipe in pipes:
        pipe.send("go")
    found = [pipe.recv() for pipe in pipes]
    for process, pipe in zip(processes, pipes, strict=True):
        process.join(30)
        pipe.close()
        assert process.exitcode == 0
        process.close()
    return found


@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.parametrize("way", WAYS)
def test_L1_no_race_overspends_or_loses_a_nanodollar(
    store_path: str, way: str, start: str, field: Field
) -> None:
    one = reservation(store_path)
    with router_on(store_path, simulated(0)) as router:
        router.budgets.set(
            "all", usd=usd(one * field.demand * 2 // 5), per="total", on_exceeded="refuse"
        )

        found = race(store_path, way, start, field)

        books = audit(router)
    assert [error for racer in found for error in racer["errors"]] == []
    assert books.spent == sum(racer["billed"] for racer in found)
    assert books.states == {"settled": sum(racer["calls"] for racer in found)}
    assert books.spent <= books.limit
    assert (books.held, books.open_holds) == (0, 0)
    assert books.left < one
    assert books.findings == []
    assert [racer["unjust"] for racer in found] == [0] * field.processes
    answered = sum(racer["answered"] for racer in found)
    assert answered + sum(racer["refused"] for racer in found) == field.demand
    assert field.demand // 4 < answered < field.demand * 3 // 4
