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
    "langchain-openai": Library(
        ("langchain-openai>=1.7",), "langchain_openai", "test_langchain.py"
    ),
    "llama-index": Library(
        ("llama-index-llms-openai>=0.8", "llama-index-embeddings-openai>=0.7"),
        "llama_index.llms.openai",
        "test_llama_index.py",
    ),
    "litellm": Library(("litellm>=1.110",), "litellm", "test_litellm.py"),
    "migrate-litellm": Library(("litellm>=1.110",), "litellm", "test_migrate_litellm.py"),
    "migrate-any-llm": Library(
        ("any-llm-sdk[anthropic,openai]>=1.40",), "any_llm", "test_migrate_any_llm.py"
    ),
    "langfuse": Library(("langfuse>=5",), "langfuse", "test_langfuse.py"),
    "opentelemetry": Library(
        ("opentelemetry-instrumentation-genai-openai>=1.3b0", "opentelemetry-sdk>=1.45"),
        "opentelemetry.instrumentation.genai.openai",
        "test_opentelemetry.py",
    ),
    "openllmetry": Library(
        ("opentelemetry-instrumentation-openai>=0.62", "opentelemetry-sdk>=1.45"),
        "opentelemetry.instrumentation.openai",
        "test_openllmetry.py",
    ),
}
