"""The recordings as test parameters, and the providers that would have asked for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.contract import expectation

from trunkline.providers import OllamaProvider, OpenAIProvider

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("TRUNKLINE_SHARED") or ROOT.parent / "shared") / "recordings"
COUNTS = {"openai": 60, "ollama-native": 16, "ollama-v1": 44}


def recordings_of(kind: str) -> list[Any]:
    provider, _, api = kind.partition("-")
    paths = sorted((FOLDER / provider).glob("*.json"))
    native = {"native": "ollama-chat", "v1": "openai-chat", "": "openai-chat"}[api]
    found = [r for r in map(expectation.load, paths) if r.api == native]
    return [pytest.param(r, id=r.id) for r in found]


def provider_for(
    recording: expectation.Recording, port: int | None = None
) -> OpenAIProvider | OllamaProvider:
    """Build the provider that would have asked for this recording, of a local server if given."""
    local = f"http://127.0.0.1:{port or 11434}"
    if recording.api == "ollama-chat":
        return OllamaProvider(base_url=local)
    if recording.provider == "ollama":
        return OpenAIProvider(name="ollama-v1", base_url=f"{local}/v1")
    base_url = None if port is None else f"{local}/v1"
    return OpenAIProvider(api_key="sk-0123456789abcdef", base_url=base_url)


ALL = [r for kind in COUNTS for r in recordings_of(kind)]
ANSWERS = [p for p in ALL if not p.values[0].is_error]
WHOLE = [p for p in ANSWERS if not p.values[0].is_stream]
STREAMS = [p for p in ANSWERS if p.values[0].is_stream]
ERRORS = [p for p in ALL if p.values[0].is_error]
REQUESTS = [p for p in ALL if p.values[0].api == "openai-chat"]
