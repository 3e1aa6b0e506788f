"""Which libraries are tried: what each needs from PyPI, and the file that tries it.

Plain data, read by ``nox -s downstream`` (one virtual environment a row) and by ``conftest``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """One row.

    Attributes:
        requirements: What to install beside ``trunkline[openai]`` and pytest.
        module: What its tests import; without it they are not collected.
        test_file: In this folder.
    """

    requirements: tuple[str, ...]
    module: str
    test_file: str


LIBRARIES: dict[str, Library] = {
    "instructor": Library(("instructor>=1.17",), "instructor", "test_instructor.py"),
    "pydantic-ai": Library(
        ("pydantic-ai-slim[openai]>=2.68",), "pydantic_ai", "test_pydantic_ai.py"
    ),
    "openai-agents": Library(("openai-agents>=0.24",), "agents", "test_openai_agents.py"),
    "smolagents": Library(("smolagents[openai]>=1.26",), "smolagents", "test_smolagents.py"),
    "outlines": Library(("outlines[openai]>=1.3",), "outlines", "test_outlines.py"),
}
