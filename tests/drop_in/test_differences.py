"""What is not as with the genuine client, on purpose: one table, both behaviours asserted.

Each row says what differs and why. Whatever is not in it is the same, which the other files here
hold both clients to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, CLOUDS
from tests.drop_in.replies import DONE, chunk, completion, error
from tests.drop_in.wire import Answer, failure, streamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drop_in.doors import Door


@dataclass(frozen=True)
class Difference:
    """One row.

    Attributes:
        what: Of the surface.
        why: It is so.
        observe: What is done through a door; what it returns is compared.
        genuine: What the genuine client's door shows.
        ours: What ours shows.
    """

    what: str
    why: str
    observe: Callable[[Door], Any]
    genuine: Any
    ours: Any


def _sent_by_the_sdk(door: Door) -> list[str]:
    door.sync().chat.completions.create(**ASK)
    return sorted({n for n in door.wire.last.headers if n.startswith("x-stainless")})[:1]


def _user_agent(door: Door) -> str:
    door.sync().chat.completions.create(**ASK)
    return door.wire.last.headers["user-agent"].partition("/")[0]


def _retries_taken(door: Door) -> int:
    door.wire.script(failure(500))
    raw = door.sync().chat.completions.with_raw_response.create(**ASK)
    assert len(door.wire.requests) == 2
    return int(raw.retries_taken)


def _used_up(door: Door) -> int:
    spent = Answer(429, error("Used up.", code="insufficient_quota"), {"retry-after-ms": "1"})
    door.wire.script(*[spent] * 3)
    with pytest.raises(openai.RateLimitError):
        door.sync().chat.completions.create(**ASK)
    return len(door.wire.requests)


def _extra(door: Door) -> list[str]:
    answer = door.sync().chat.completions.create(**ASK)
    return sorted(answer.model_extra)


def _paths(door: Door) -> list[str]:
    client = door.sync()
    client.responses.create(model=ASK["model"], input="x")
    client.completions.create(model=ASK["model"], prompt="x")
    return [request.path for request in door.wire.requests]


def _truncated(door: Door) -> str:
    door.wire.script(streamed(chunk({"role": "assistant"}), chunk("Hel"), DONE))
    stream = door.sync(max_retries=0).chat.completions.create(**ASK, stream=True)
    return _end(stream)


def _fails_at_once(door: Door) -> str:
    door.wire.script(streamed(error("Overloaded.", "server_error")))
    try:
        stream = door.sync(max_retries=0).chat.completions.create(**ASK, stream=True)
    except openai.APIError as failed:
        return f"create raises {type(failed).__name__}"
    return f"iteration raises {_end(stream)}"


def _end(stream: Any) -> str:
    try:
        list(stream)
    except openai.APIError as failed:
        return type(failed).__name__
    return "ends"


def _odd_type(door: Door) -> str:
    door.wire.script(Answer(body=completion("x", created="soon")))
    return type(door.sync().chat.completions.create(**ASK).created).__name__


def _strict(door: Door) -> str:
    door.wire.script(Answer(body=completion("x", created="soon")))
    client = door.sync(_strict_response_validation=True)
    try:
        client.chat.completions.create(**ASK)
    except openai.APIResponseValidationError:
        return "refused"
    return "mended"


def _no_choices(door: Door) -> Any:
    door.wire.script(*[Answer(body=completion("x", choices=[]))] * 3)
    try:
        return door.sync(max_retries=0).chat.completions.create(**ASK).choices
    except openai.InternalServerError as failed:
        return failed.status_code


def _unknown_finish(door: Door) -> str:
    body = completion("x")
    body["choices"][0]["finish_reason"] = "bored"
    door.wire.script(Answer(body=body))
    return str(door.sync().chat.completions.create(**ASK).choices[0].finish_reason)


def _error_page(door: Door) -> str:
    page = Answer(502, b"<h1>Bad gateway</h1>", {"content-type": "text/html"})
    return _whose_body(door, page)


def _other_error_body(door: Door) -> str:
    return _whose_body(door, Answer(400, {"detail": "no such thing"}))


def _whose_body(door: Door, answer: Answer) -> str:
    door.wire.script(answer)
    with pytest.raises(openai.APIStatusError) as caught:
        door.sync(max_retries=0).chat.completions.create(**ASK)
    assert caught.value.status_code == answer.status
    body = caught.value.body
    is_openais = isinstance(body, dict) and {"message", "type", "param", "code"} <= body.keys()
    return "OpenAI's" if is_openais else "the provider's"


def _unreachable(door: Door) -> str:
    client = door.sync(base_url="http://localhost.invalid/v1", max_retries=0)
    with pytest.raises(openai.APIConnectionError) as caught:
        client.chat.completions.create(**ASK)
    message = caught.value.message
    return message if "localhost" not in message else "names the host"


def _headers_of_an_error(door: Door) -> str | None:
    door.wire.script(Answer(400, error(), {"x-custom": "yes"}))
    with pytest.raises(openai.BadRequestError) as caught:
        door.sync().chat.completions.create(**ASK)
    return caught.value.response.headers.get("x-custom")


def _clouds(door: Door) -> list[str]:
    return [name for name in CLOUDS if hasattr(door.openai, name)]


DIFFERENCES = [
    Difference(
        what="headers that tell about the SDK (`x-stainless-*`)",
        why="they describe the SDK's own HTTP exchange, and there is none",
        observe=_sent_by_the_sdk,
        genuine=["x-stainless-arch"],
        ours=[],
    ),
    Difference(
        what="`user-agent`",
        why="the Router is who asks",
        observe=_user_agent,
        genuine="OpenAI",
        ours="trunkline",
    ),
    Difference(
        what="`raw.retries_taken`",
        why="the Router retries, so the SDK's own count stays 0; `trunkline.attempts` has them all",
        observe=_retries_taken,
        genuine=1,
        ours=0,
    ),
    Difference(
        what="requests after a 429 with the code `insufficient_quota`",
        why="a used-up account does not recover in seconds",
        observe=_used_up,
        genuine=3,
        ours=1,
    ),
    Difference(
        what="`model_extra` of an answer",
        why="the routing is told under one key",
        observe=_extra,
        genuine=[],
        ours=["trunkline"],
    ),
    Difference(
        what="paths that are asked for responses and legacy completions",
        why="both are translated to chat, which every provider has",
        observe=_paths,
        genuine=["/v1/responses", "/v1/completions"],
        ours=["/v1/chat/completions", "/v1/chat/completions"],
    ),
    Difference(
        what="a stream that ends without a finish reason",
        why="half an answer must not look like a whole one",
        observe=_truncated,
        genuine="ends",
        ours="APIConnectionError",
    ),
    Difference(
        what="an error event before any chunk",
        why="the first chunk is awaited, so that another try or model stays possible",
        observe=_fails_at_once,
        genuine="iteration raises APIError",
        ours="create raises InternalServerError",
    ),
    Difference(
        what="`created` of another type",
        why="answers of all providers are read and typed before they are passed on",
        observe=_odd_type,
        genuine="str",
        ours="int",
    ),
    Difference(
        what="`_strict_response_validation` of such an answer",
        why="what was odd has been mended by then",
        observe=_strict,
        genuine="refused",
        ours="mended",
    ),
    Difference(
        what="an answer with no choices",
        why="it says nothing, so it counts as a failure that is retried and falls back",
        observe=_no_choices,
        genuine=[],
        ours=502,
    ),
    Difference(
        what="a finish reason that OpenAI does not have",
        why="code that switches on it meets OpenAI's values from every provider",
        observe=_unknown_finish,
        genuine="bored",
        ours="stop",
    ),
    Difference(
        what="shape of the `body` of an error that is a page",
        why="errors of all providers have OpenAI's shape",
        observe=_error_page,
        genuine="the provider's",
        ours="OpenAI's",
    ),
    Difference(
        what="shape of the `body` of an error in JSON of no error object",
        why="errors of all providers have OpenAI's shape",
        observe=_other_error_body,
        genuine="the provider's",
        ours="OpenAI's",
    ),
    Difference(
        what="headers of an error beside its id, its limits and when to try again",
        why="errors of ours hold no header map, so that none can leak",
        observe=_headers_of_an_error,
        genuine="yes",
        ours=None,
    ),
    Difference(
        what="the message of `APIConnectionError`",
        why="ours says where and why",
        observe=_unreachable,
        genuine="Connection error.",
        ours="names the host",
    ),
    Difference(
        what="clients of Azure and Bedrock",
        why="they would ask past every budget; a provider with that base_url does not",
        observe=_clouds,
        genuine=["AzureOpenAI", "AsyncAzureOpenAI", "BedrockOpenAI", "AsyncBedrockOpenAI"],
        ours=[],
    ),
]


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.observe.__name__.lstrip("_"))
def test_both_clients_are_as_the_table_says(row: Difference, door: Door) -> None:
    assert row.genuine != row.ours

    assert row.observe(door) == getattr(row, door.name)


def test_each_difference_is_told_once_and_with_a_reason() -> None:
    told = [row.what for row in DIFFERENCES]

    assert len(set(told)) == len(told)
    assert all(row.why for row in DIFFERENCES)
