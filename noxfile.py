"""The gates: what must pass before a change lands, and how to run each alone.

``nox`` runs what CI runs; ``nox -l`` lists all. A fresh machine needs ``pip install nox`` and
nothing else. Tests run against the built wheel with the interpreter that runs nox;
``tests_all`` adds the other interpreters that are installed and skips the rest.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import nox

# A gate must not fetch interpreters behind the developer's back.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "imports", "tests", "package", "budget"]

PROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = "constraints.txt"
WORKERS = ("-n", "2")  # CI has two cores
COMPILE = (
    "uv pip compile --all-extras --group test --group lint --universal --no-header --no-annotate"
    f" --no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o {CONSTRAINTS}"
)


def group(*names: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, *names))


def install(session: nox.Session, *what: str) -> None:
    session.install("-c", CONSTRAINTS, *what)


def run_tests(session: nox.Session) -> None:
    # Chosen tests are for a quick look; the coverage gate is for the whole suite.
    chosen = session.posargs
    coverage = () if chosen else ("--cov", "--cov-report=term:skip-covered")
    session.run("pytest", *(chosen or WORKERS), *coverage)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install(session, "ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, the typing examples with both."""
    install(session, ".[cli]", *group("test", "lint", "prices"))
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "tests/typing_examples")


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports point down."""
    install(session, ".[cli]", *group("lint"))
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the installed wheel, with coverage; arguments choose tests."""
    install(session, ".[cli]", *group("test"))
    run_tests(session)


@nox.session(python=["3.12", "3.13", "3.14"])
def tests_all(session: nox.Session) -> None:
    """Run the tests on every further interpreter that is installed."""
    install(session, ".[cli]", *group("test"))
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
@nox.parametrize("version", ["<3", ">=3"])
def sdk(session: nox.Session, version: str) -> None:
    """Run what takes the place of the openai client on the newest openai of each major."""
    needed = [line for line in group("test") if not line.startswith("openai")]
    session.install(".[cli,openai]", f"openai{version}", *needed)
    session.run("python", "-c", "import openai; print('openai', openai.__version__)")
    chosen = session.posargs or ["tests/drop_in", "tests/openai_clients", "tests/_api"]
    session.run("pytest", *WORKERS, *chosen)


def libraries() -> dict[str, Any]:
    """Read which libraries are tried: plain data beside their tests."""
    rows: dict[str, Any] = runpy.run_path("tests/downstream/libraries.py")["LIBRARIES"]
    return rows


@nox.session
@nox.parametrize("library", list(libraries()))
def downstream(session: nox.Session, library: str) -> None:
    """Try a library over the in-process client, on the newest versions that it admits."""
    row = libraries()[library]
    session.install(".[openai]", *row.requirements, "pytest>=9", "pytest-asyncio>=1.3")
    session.run("python", "-c", "import openai; print('openai', openai.__version__)")
    session.run(
        "pytest",
        f"tests/downstream/{row.test_file}",
        *session.posargs,
        env={"TRUNKLINE_REQUIRE_DOWNSTREAM": library},
    )


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml admits."""
    session.install("uv")
    python = str(Path(session.bin) / "python")
    where = ("--python", python, "--resolution", "lowest-direct")
    session.run("uv", "pip", "install", *where, ".[cli,openai]", *group("test"))
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build, check what is in the wheel, install it alone in a clean environment and import it."""
    install(session, "build", "virtualenv")
    out = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", out)
    session.run("python", "tools/check_wheel.py", out)


@nox.session
def examples(session: nox.Session) -> None:
    """Run every example and every Python block of the README."""
    install(session, ".[cli]", *group("test"))
    session.run("pytest", "tests/test_examples.py", *session.posargs)


@nox.session
def budget(session: nox.Session) -> None:
    """Hold the import to its budget: CPU beside ``import httpx``."""
    install(session, ".")
    session.run("python", "benchmarks/import_time.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Run the long campaigns in full; CI runs a tenth of them."""
    install(session, ".[cli]", *group("test"))
    session.run("pytest", "-m", "soak", *session.posargs, env={"TRUNKLINE_SOAK": "1"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed odd bytes to the framing and to every provider, five minutes a target."""
    install(session, ".[cli]", *group("test"))
    seconds = os.environ.get("TRUNKLINE_FUZZ_S", "300")
    chosen = session.posargs or ["tests/fuzz"]
    session.run("pytest", *WORKERS, *chosen, env={"TRUNKLINE_FUZZ_S": seconds})


@nox.session
def prices(session: nox.Session) -> None:
    """Rebuild the price table from genai-prices (for maintainers)."""
    install(session, ".", *group("prices"))
    session.run("python", "tools/prices.py", *session.posargs)


@nox.session
def constraints(session: nox.Session) -> None:
    """Resolve constraints.txt anew: names and versions, no address."""
    session.install("uv")
    session.run(*COMPILE.split(), *session.posargs)
