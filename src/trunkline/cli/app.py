"""The commands: names, options and exit codes. What they do is in the module of their name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from trunkline._version import __version__

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="An in-process LLM router: OpenAI's face, learned model choice, budgets that hold.",
)

_Store = Annotated[Path | None, typer.Option(help="Path of the store's SQLite file.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"trunkline {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Order of the prompts, noise and draws.")] = 0,
    calls: Annotated[int, typer.Option(min=20, max=900, help="How many prompts to route.")] = 360,
    store: _Store = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on a terminal.")] = True,
) -> None:
    """Route prompts over simulated models and learn: no key, no network, a few seconds."""
    from . import demo as demonstration

    if store is not None and store.exists():
        # The demo's calls and its budget have no place in anybody's books.
        print(f"{store} exists; give the demo a new path", file=sys.stderr)
        raise typer.Exit(2)
    report = demonstration.run_with_progress(
        seed=seed,
        calls=calls,
        store=demonstration.new_store() if store is None else os.fspath(store),
        progress=progress and sys.stderr.isatty(),
    )
    demonstration.show(report, Console())


@app.command()
def doctor(store: _Store = None) -> None:
    """Check the installation and the store; changes nothing, exits 1 when something is wrong."""
    from . import doctor as examination

    findings = examination.examine(None if store is None else os.fspath(store))
    examination.show(findings, Console())
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
