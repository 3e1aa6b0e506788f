"""The README keeps its word: commands, names, and what a newcomer can build from it alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from pytest_examples import CodeExample, find_examples

from trunkline.governance import scopes
from trunkline.providers.registry import ROWS
from trunkline.types.routing import Routing

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"

# Written with nothing but the README at hand: thirty lines at most.
NEWCOMER = """\
from trunkline import BudgetExceededError, Router
from trunkline.providers import SimulatedModel, SimulatedProvider

models = [
    SimulatedModel("large", quality=0.9, input_usd_per_m="2.50", output_usd_per_m="10"),
    SimulatedModel("medium", quality=0.8, input_usd_per_m="0.50", output_usd_per_m="2"),
    SimulatedModel("small", quality=0.6, input_usd_per_m="0.15", output_usd_per_m="0.60"),
]
prompts = [f"Tell me a fact about the number {number}." for number in range(20)]

with Router(providers=[SimulatedProvider(models=models)], store="newcomer.sqlite3") as router:
    router.budgets.set("all", usd="0.05", per="total")
    last = None
    for prompt in prompts:
        try:
            answer = router.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": prompt}], max_tokens=200
            )
        except BudgetExceededError as refused:
            print("refused:", refused)
            continue
        router.feedback(answer, score=0.8)
        last = answer.routing
    if last is not None:
        print(router.explain(last.id).to_text())
    print(router.usage.summary(by=["model"]).to_text())
    print(router.budgets.status("all")[0])
"""


@pytest.fixture(scope="module")
def text() -> str:
    return README.read_text(encoding="utf-8")


def test_newcomer_script_routes_twenty_prompts_within_its_budget(tmp_path: Path) -> None:
    assert len(NEWCOMER.splitlines()) <= 30

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NEWCOMER],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Decision: simulated/" in done.stdout
    usage = dict(re.findall(r"^(large|medium|small) +(\d+) ", done.stdout, flags=re.M))
    refused = done.stdout.count("refused:")
    assert sum(map(int, usage.values())) + refused == 20
    status = re.search(r"all \$0\.05 per total: spent \$([\d.]+), held \$0,", done.stdout)
    assert status is not None
    assert 0 < float(status[1]) <= 0.05


@pytest.mark.parametrize(
    "command",
    [
        'python -m pip install ".[cli]" && trunkline demo',
        "python -m pip install nox && nox -s tests",
    ],
)
def test_the_two_commands_stand_alone_on_a_line(text: str, command: str) -> None:
    assert command in text.splitlines()


@pytest.mark.parametrize("block", list(find_examples(str(README))), ids=str)
def test_every_python_block_compiles_also_one_that_needs_a_key(block: CodeExample) -> None:
    compile(block.source, str(README), "exec", dont_inherit=True)


def test_every_provider_of_ours_is_named(text: str) -> None:
    table = text.partition("| provider | how |")[2].partition("| extra |")[0]

    assert all(f"`{row.name}`" in table for row in ROWS)


def test_every_field_of_routing_it_names_is_one(text: str) -> None:
    table = text.partition("| field | reads |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.count("|") > 2]
    named = {name for cell in rows for name in re.findall(r"`\.(\w+)`", cell)}

    assert len(named) >= 11
    assert named <= {field.name for field in fields(Routing)}


def test_every_form_of_scope_is_named_and_is_one(text: str) -> None:
    table = text.partition("| scope | caps |")[2].partition("\n\n")[0]
    named = [s for s in re.findall(r"`([^`]+)`", table) if re.fullmatch(r"[\w:/=*]+", s)]

    for scope in named:
        if scope != "*":
            scopes.parse(scope.replace("KEY", "key").replace("VALUE", "value"))
    assert {"all", "team:ID", "team:ID/user:ID", "tag:KEY=VALUE", "user:*"} <= set(named)


def test_every_linked_file_is_there(text: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", text)

    assert links
    assert all((ROOT / link).exists() for link in links if "://" not in link)
