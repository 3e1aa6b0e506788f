from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from typer.testing import CliRunner

from trunkline import Router
from trunkline.cli import demo, prompts
from trunkline.cli.app import app
from trunkline.cli.zoo import OBJECTIVE, SPECIES, Zoo
from trunkline.types.money import nanousd

if TYPE_CHECKING:
    from trunkline.cli.prompts import Prompt


def spent_in(store: Path) -> int:
    with sqlite3.connect(store) as connection:
        total: int = connection.execute("SELECT sum(cost) FROM hold").fetchone()[0]
    connection.close()
    return total


def test_prompts_are_hundreds_and_no_text_comes_twice() -> None:
    texts = [prompt.text for pool in prompts.every().values() for prompt in pool]

    assert len(texts) > 900
    assert len(set(texts)) == len(texts)
    assert not any("{who}" in text or "{n}" in text for text in texts)


def test_a_sample_takes_every_kind_alike_and_differs_by_seed() -> None:
    def kinds(sample: list[Prompt]) -> list[int]:
        found = [prompt.kind for prompt in sample]
        return sorted(found.count(kind) for kind in prompts.KINDS)

    one, again, other = (prompts.sample(60, Random(seed)) for seed in (1, 1, 2))

    assert kinds(one) == [10] * 6
    assert one == again
    assert one != other


def test_more_prompts_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="not 5000"):
        prompts.sample(5000, Random(0))


def test_expected_figures_are_what_an_asked_model_bills() -> None:
    asked = prompts.sample(30, Random(3))
    zoo = Zoo(asked)
    expected = sum(zoo.expected(SPECIES[1], prompt.text).cost_nanousd for prompt in asked)
    provider = zoo.provider(seed=0)

    with Router(providers=[provider], store=":memory:") as router:
        answers = [
            router.chat.completions.create(
                model=f"zoo/{SPECIES[1].id}", messages=[{"role": "user", "content": prompt.text}]
            )
            for prompt in asked
        ]

    assert provider.billed.nanousd == expected
    assert sum(nanousd(a.routing.actual.cost_usd or 0) for a in answers) == expected


def test_the_value_of_figures_is_the_objectives() -> None:
    prompt = prompts.sample(1, Random(0))[0]
    figures = Zoo([prompt]).expected(SPECIES[0], prompt.text)
    reference_usd = float(str(OBJECTIVE.cost_ref_usd))

    expected = (
        figures.quality
        - OBJECTIVE.cost * figures.cost_nanousd / 1e9 / reference_usd
        - OBJECTIVE.latency * figures.latency_s / (OBJECTIVE.latency_ref_s or 0)
    )

    assert figures.value == pytest.approx(expected, abs=1e-12)


def test_a_run_books_what_it_reports_and_is_refused_at_its_budget(tmp_path: Path) -> None:
    store = tmp_path / "demo.sqlite3"
    steps: list[str] = []

    report = demo.run(seed=1, calls=120, store=str(store), step=steps.append)

    assert len(steps) == 120
    assert report.answered + report.refused + report.failed == 120
    assert report.answered == sum(report.by_model.values())
    assert report.refused == steps.count("refused") >= 1
    assert report.failed == steps.count("failed")
    assert "refused" not in steps[:108]
    assert "team:demo" in report.refusal
    assert spent_in(store) == nanousd(report.learned.spend) <= nanousd(report.budget)


def test_what_the_budget_pushed_to_a_cheaper_model_is_no_exploration(tmp_path: Path) -> None:
    store = tmp_path / "demo.sqlite3"

    demo.run(seed=1, calls=120, store=str(store))

    with Router(providers=[Zoo([]).provider(0)], store=store) as router:
        decisions = [router.explain(r.routing_id) for r in router.usage.records()]
    pushed = [d for d in decisions if "fits the budget" in d.reason]
    assert pushed
    assert not any(d.explored for d in pushed)
    forced = [d for d in decisions if d.propensity == 1 and d.chosen.propensity_before < 0.5]
    assert not any(d.explored for d in forced)


def test_learned_routing_beats_the_best_fixed_model_in_the_mean() -> None:
    reports = [demo.run(seed=seed, calls=360, store=":memory:") for seed in range(4)]

    learned = fmean(report.learned.value for report in reports)
    fixed = {
        side.name: fmean(r.fixed[i].value for r in reports)
        for i, side in enumerate(reports[0].fixed)
    }

    assert len(fixed) == len(SPECIES)
    assert learned > max(fixed.values()), fixed
    assert reports[0].best_fixed.value == max(side.value for side in reports[0].fixed)


@pytest.mark.soak
def test_learned_routing_beats_every_fixed_model_over_ten_seeds() -> None:
    reports = [demo.run(seed=seed, calls=360, store=":memory:") for seed in range(10)]

    learned = fmean(report.learned.value for report in reports)
    fixed = [fmean(r.fixed[i].value for r in reports) for i in range(len(SPECIES))]

    assert learned > max(fixed) + 0.03
    assert all(report.refused for report in reports)


def test_the_command_tells_figures_refusals_place_and_one_decision(tmp_path: Path) -> None:
    store = tmp_path / "new.sqlite3"

    result = CliRunner().invoke(
        app, ["demo", "--calls", "60", "--store", str(store), "--no-progress"]
    )

    assert result.exit_code == 0, result.output
    for said in ("learned routing", "always elephant", "simulated", "refused", "Decision: zoo/"):
        assert said in result.output
    assert str(store) in result.output
    assert store.exists()


def test_a_store_that_exists_is_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "mine.sqlite3"
    store.write_bytes(b"books")

    result = CliRunner().invoke(app, ["demo", "--store", str(store)])

    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert store.read_bytes() == b"books"


def test_a_bar_is_drawn_only_where_it_is_wanted(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal

    demo.run_with_progress(seed=0, calls=20, store=":memory:", progress=False)
    silent = capfd.readouterr().err
    demo.run_with_progress(seed=0, calls=20, store=":memory:", progress=True)
    drawn = capfd.readouterr().err

    assert "routing" not in silent
    assert "20/20" in drawn


def test_a_failure_that_nobody_could_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    report = demo.run(seed=0, calls=20, store=":memory:")

    demo.show(replace(report, failed=3, refusal=""), Console())

    said = capsys.readouterr().out
    assert "3 calls" in said
    assert "first refusal" not in said


def test_the_script_uses_no_key_no_network_and_not_the_users_store(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.sqlite3"
    environment = dict(
        os.environ,
        OPENAI_API_KEY="sk-never-to-be-used-0123456789",
        OPENAI_BASE_URL="http://127.0.0.1:9",
        TRUNKLINE_STORE=str(theirs),
        TMPDIR=str(tmp_path),
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "trunkline.cli", "demo", "--calls", "40"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "openai" not in done.stdout
    assert not theirs.exists()
    (kept,) = tmp_path.glob("trunkline-demo-*/trunkline.sqlite3")
    assert str(kept) in done.stdout


def test_a_new_store_lies_in_a_folder_of_its_own_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    one, other = Path(demo.new_store()), Path(demo.new_store())

    assert one.parent != other.parent
    assert one.parent.stat().st_mode & 0o777 == 0o700
    assert not one.exists()
