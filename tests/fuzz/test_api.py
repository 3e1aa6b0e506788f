"""Fuzzing OpenAI's HTTP API: whatever a client posts, a reply comes out and nothing stays held."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fuzz.test_fuzz import note, rounds

from trunkline import Router
from trunkline._api.messages import ApiRequest, Reply
from trunkline._api.routes import serve
from trunkline._io.blocking import BlockingIO, run_to_completion
from trunkline._router import parts_of
from trunkline.errors import APIConnectionError
from trunkline.providers import EchoProvider

TEXT = {"type": "input_text", "text": "hi"}
SCHEMA = {"name": "n", "schema": {"type": "object"}}
SEEDS: dict[str, list[Any]] = {
    "/chat/completions": [
        {
            "model": "echo",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "x"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ],
                },
                {"role": "tool", "tool_call_id": "a", "content": "r"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "response_format": {"type": "json_schema", "json_schema": SCHEMA},
            "stream_options": {"include_usage": True},
            "trunkline": {"team": "a", "models": ["echo"], "objective": {"cost": 1}},
        },
        {"model": "auto", "messages": [{"role": "user", "content": "x"}], "stream": True, "n": 2},
    ],
    "/completions": [
        {"model": "echo", "prompt": ["a", "b"], "echo": True, "max_tokens": 5},
        {"model": "echo", "prompt": "a", "stream": True, "best_of": 1, "suffix": None},
    ],
    "/responses": [
        {
            "model": "echo",
            "instructions": "s",
            "input": [
                {"type": "message", "role": "user", "content": [TEXT]},
                {"type": "reasoning", "id": "r", "summary": [{"text": "t"}]},
                {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
                {"type": "function_call_output", "call_id": "c", "output": [TEXT]},
            ],
            "tools": [
                {"type": "function", "name": "f", "parameters": {}, "strict": True},
                {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark"}},
            ],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []},
            "text": {"format": {"type": "json_schema", **SCHEMA}, "verbosity": "low"},
            "reasoning": {"effort": "low"},
            "include": ["message.output_text.logprobs"],
        },
        {"model": "echo", "input": "hi", "stream": True, "max_output_tokens": 3},
    ],
    "/embeddings": [{"model": "echo", "input": ["a", [1, 2]], "dimensions": 3}],
}


@pytest.mark.parametrize("path", SEEDS)
def test_an_odd_request_gets_a_reply_and_leaves_nothing_held(path: str) -> None:
    seeds = [json.dumps(seed).encode() for seed in SEEDS[path]]
    with Router(providers=[EchoProvider()], store=":memory:") as router:
        parts = parts_of(router)
        io = BlockingIO(parts.pool)
        for mutator, _ in rounds(f"POST {path}", seeds):
            body = mutator.body()
            request = ApiRequest(method="POST", path=path, body=body)
            try:
                reply = run_to_completion(serve(parts.engine, io, parts.scoped(), request))
                said = _whole(reply)
            except APIConnectionError as cut:
                said = cut.message.encode()
            except Exception as error:
                raise AssertionError(note(body)) from error
            assert said, note(body)
        assert len(router.budgets.holds()) == 0


def _whole(reply: Reply) -> bytes:
    assert reply.status in (200, 400, 402, 404, 422, 500, 502, 503)
    if isinstance(reply.body, bytes):
        return reply.body
    pieces: list[bytes] = []
    while piece := run_to_completion(reply.body.next_bytes()):
        pieces.append(piece)
    return b"".join(pieces)
