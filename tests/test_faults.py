"""The rows P1-P16 and M6-M14 of the failure model, through a Router over a real socket."""

from __future__ import annotations

import gzip
import time
import traceback
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faces import (
    PRICES,
    USAGE,
    ask,
    completion,
    event,
    sound,
    spent,
    stream_of,
    wired,
    written,
)
from tests.support.server import Close, Dribble, Reset, ScriptedServer, answer, chunked

from trunkline import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    BudgetExceededError,
    Model,
    RateLimitError,
    Router,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-canary-0123456789"
OK = [answer(completion("fine"))]
REASONS = {
    400: b"400 Bad", 401: b"401 Who", 403: b"403 No", 404: b"404 Gone", 408: b"408 Slow",
    409: b"409 Conflict", 413: b"413 Large", 422: b"422 What", 429: b"429 Many",
    500: b"500 Oops", 502: b"502 Gate", 503: b"503 Busy", 504: b"504 Late", 529: b"529 Over",
}  # fmt: skip


def failing(code: int, *headers: bytes, body: bytes = b'{"error": {"message": "no"}}') -> list[Any]:
    return [answer(body, *headers, status=REASONS[code])]


class Served:
    """A router with a budget over a scripted server; ``naps`` are its waits, not slept."""

    def __init__(self, store: str, scripts: list[Any], options: dict[str, Any]) -> None:
        self.server = ScriptedServer(scripts).__enter__()
        provider = wired(base_url=self.server.url.removesuffix("/chat"))
        self.router = Router(providers=[provider], store=store, seed=1, **options)
        self.router.budgets.set("all", "1")
        self.naps: list[float] = []
        self.router._io.sleep = self._nap  # type: ignore[method-assign]

    async def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)

    def fails(self, **params: Any) -> Any:
        with pytest.raises(APIError) as caught:
            ask(self.router, "p/m", max_tokens=50, **params)
        assert KEY not in repr(caught.value)
        return caught.value

    @property
    def asked(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def serve(store_path: str) -> Iterator[Any]:
    made: list[Served] = []

    def start(*scripts: Any, **options: Any) -> Served:
        made.append(Served(store_path, list(scripts), options))
        return made[-1]

    yield start
    for served in made:
        served.router.close()
        served.server.__exit__()
        sound(served.router)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
def test_P1_a_refused_request_is_one_attempt_and_costs_nothing(serve: Any, code: int) -> None:
    served = serve(failing(code))

    error = served.fails()

    assert isinstance(error, APIStatusError)
    assert error.status_code == code
    assert (served.asked, served.naps) == (1, [])
    assert [a.state for a in error.attempts] == ["voided"]
    assert spent(served.router) == 0


@pytest.mark.parametrize(("code", "asked"), [(400, 1), (422, 1), (401, 2), (403, 2), (404, 2)])
def test_P1_only_the_providers_own_refusals_are_taken_elsewhere(
    serve: Any, code: int, asked: int
) -> None:
    served = serve(failing(code), fallbacks=["p/other"], unpriced="allow")

    served.fails()

    assert served.asked == asked


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ([b"Retry-After: 2"], 2.0),
        ([b"retry-after-ms: 1500"], 1.5),
        (
            [b"Date: Mon, 23 Nov 2026 10:00:00 GMT", b"Retry-After: Mon, 23 Nov 2026 10:00:30 GMT"],
            30.0,
        ),
    ],
)
def test_P2_the_asked_wait_is_kept(serve: Any, headers: list[bytes], least: float) -> None:
    served = serve(failing(429, *headers), OK)

    ask(served.router, "p/m")

    (nap,) = served.naps
    assert least <= nap <= least + 0.25
    assert served.asked == 2


def test_P2_a_day_is_not_waited_for(serve: Any) -> None:
    served = serve(failing(429, b"Retry-After: 86400"))

    error = served.fails()

    assert isinstance(error, RateLimitError)
    assert error.retry_after == 86400
    assert (served.asked, served.naps) == (1, [])


@pytest.mark.parametrize("value", [b"soon", b"-5", b"NaN", b""])
def test_P3_a_nonsense_wait_is_replaced_by_backoff(serve: Any, value: bytes) -> None:
    served = serve(failing(429, b"Retry-After: " + value))

    served.fails()

    assert served.asked == 3
    assert all(0.3 < nap <= 8 for nap in served.naps)
    assert len(served.naps) == 2


def test_P4_a_used_up_quota_is_not_asked_again_but_elsewhere(serve: Any) -> None:
    body = (
        b'{"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}'
    )
    served = serve(failing(429, body=body), OK, fallbacks=["p/other"], unpriced="allow")

    told = ask(served.router, "p/m", max_tokens=50).routing

    assert told.model == "other"
    assert (served.asked, served.naps) == (2, [])


@pytest.mark.parametrize("code", [408, 409, 500, 502, 503, 504, 529])
def test_P5_a_passing_failure_is_tried_again(serve: Any, code: int) -> None:
    served = serve(failing(code), OK)

    told = ask(served.router, "p/m").routing

    assert [a.status_code for a in told.attempts] == [code, 200]
    assert spent(served.router) == 20_000


def test_P5_three_attempts_are_all(serve: Any) -> None:
    served = serve(failing(503))

    error = served.fails()

    assert served.asked == len(error.attempts) == 3
    assert spent(served.router) == 0


@pytest.mark.parametrize(("word", "code", "asked"), [(b"true", 400, 3), (b"false", 503, 1)])
def test_P5_the_providers_word_wins(serve: Any, word: bytes, code: int, asked: int) -> None:
    served = serve(failing(code, b"x-should-retry: " + word))

    served.fails()

    assert served.asked == asked


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"])
def test_P7_who_cannot_be_reached_costs_nothing(store_path: str, base_url: str) -> None:
    provider = wired(base_url=base_url, trust_base_url=True)
    router = Router(providers=[provider], store=store_path, max_retries=0)
    router.budgets.set("all", "1")

    with pytest.raises(APIConnectionError) as caught:
        ask(router, "p/m", max_tokens=50)

    assert not caught.value.sent
    assert [a.state for a in caught.value.attempts] == ["voided"]
    assert spent(router) == 0
    sound(router)


@pytest.mark.parametrize("ending", [Reset, Close])
def test_P8_a_close_before_any_answer_is_charged_each_time(serve: Any, ending: Any) -> None:
    served = serve([ending])

    error = served.fails()

    assert isinstance(error, APIConnectionError)
    assert [a.state for a in error.attempts] == ["estimated"] * 3
    assert spent(served.router) == sum(int(a.cost_usd * 10**9) for a in error.attempts) > 0


@pytest.mark.parametrize(
    "answered",
    [
        b"\x00\x01\x02 garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * (4 << 20),
        b"SMTP ready\r\n\r\n",
    ],
)
def test_P9_what_is_no_http_is_typed(serve: Any, answered: bytes) -> None:
    served = serve([answered, Close], max_retries=0)

    assert isinstance(served.fails(), APIConnectionError)


def test_P9_early_hints_are_passed_over(serve: Any) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50
    served = serve([hints + OK[0]])

    assert ask(served.router, "p/m").choices[0].message.content == "fine"


@pytest.mark.parametrize("stream", [False, True])
def test_P10_a_dribbling_server_is_left_at_the_deadline(serve: Any, stream: bool) -> None:
    body = stream_of("a", "b") if stream else completion("slow")
    served = serve([answer(body)[:60], Dribble(answer(body)[60:], 0.05)], deadline_s=0.4)
    started = time.monotonic()

    with pytest.raises(APITimeoutError):
        ask(served.router, "p/m", stream=stream)

    assert time.monotonic() - started < 0.9
    assert spent(served.router) > 0


BROKEN = {
    "truncated": answer(completion()[:40]),
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + completion(),
    "html": answer(b"<html><body>Sign in</body></html>", b"Content-Type: text/html"),
    "empty": answer(b""),
    "null": answer(b"null"),
    "list": answer(b"[]"),
    "text": answer(b'"text"'),
    "number": answer(b"5"),
    "error": answer(b'{"error": {"message": "echo ' + KEY.encode() + b'"}}'),
    "no choices": answer(completion(choices=[])),
    "null choices": answer(completion(choices=None)),
    "deep": answer(b'{"choices": ' + b"[" * 200_000),
    "deep and closed": answer(b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "bad utf-8": answer(b'{"id": "\xff\xfe"}'),
    "no message": answer(completion(choices=[{"index": 0, "finish_reason": "stop"}])),
    "204": answer(b"", status=b"204 No Content"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_P11_P12_what_is_no_answer_is_typed_and_charged(serve: Any, name: str) -> None:
    served = serve([BROKEN[name], Close], max_retries=0)

    error = served.fails()

    assert isinstance(error, APIResponseValidationError | APIConnectionError)
    assert len(str(error)) < 600
    assert [a.state for a in error.attempts] == ["estimated"]
    assert spent(served.router) == int(error.attempts[0].cost_usd * 10**9) > 0


def test_P12_unknown_fields_and_doubled_keys_are_no_error(serve: Any) -> None:
    body = completion("x", more={"a": 1})[:-1] + b', "model": "other", "id": "again"}'
    served = serve([answer(body)])

    answered = ask(served.router, "p/m")

    assert answered.model_dump()["more"] == {"a": 1}
    assert answered.id == "again"


@pytest.mark.parametrize(
    "body",
    [
        answer(gzip.compress(b"\0" * (64 << 20)), b"Content-Encoding: gzip"),
        answer(b"\x1f\x8bnot gzip", b"Content-Encoding: gzip"),
    ],
    ids=["bomb", "bad"],
)
def test_P13_a_body_beyond_the_cap_is_cut_off(serve: Any, body: bytes) -> None:
    served = serve([body], max_retries=0)
    started = time.monotonic()

    error = served.fails()

    assert isinstance(error, APIResponseValidationError | APIConnectionError)
    assert time.monotonic() - started < 3


def test_P13_an_endless_line_in_a_stream_is_cut_off(serve: Any) -> None:
    served = serve([chunked(b"data: " + b"x" * (2 << 20), headers=[b"Content-Type: text/event-stream"])], max_retries=0)  # fmt: skip # noqa: E501

    assert isinstance(served.fails(stream=True), APIError)


def test_P14_json_where_a_stream_was_asked_is_read(serve: Any) -> None:
    served = serve(OK)

    with ask(served.router, "p/m", stream=True) as stream:
        assert written(list(stream)) == "fine"
    assert spent(served.router) == 20_000


def test_P14_a_stream_where_json_was_asked_is_read(serve: Any) -> None:
    served = serve([answer(stream_of("fi", "ne"), b"Content-Type: text/event-stream")])

    answered = ask(served.router, "p/m")

    assert answered.choices[0].message.content == "fine"
    assert spent(served.router) == 20_000


@pytest.mark.parametrize("status", [b"301 M", b"302 F", b"303 S", b"307 T", b"308 P"])
def test_P15_a_redirect_is_not_followed(serve: Any, status: bytes) -> None:
    with ScriptedServer([OK]) as other:
        location = f"Location: {other.url}?key=secret".encode()
        served = serve([answer(b"", location, status=status)])

        error = served.fails()

        assert other.requests == []
    assert isinstance(error, APIStatusError)
    assert "127.0.0.1" in str(error)
    assert "secret" not in str(error)
    assert served.asked == 1
    assert spent(served.router) == 0


BAD_USAGE: dict[str, Any] = {
    "missing": ...,
    "null": None,
    "text": "many",
    "list": [1],
    "strings": {**USAGE, "prompt_tokens": "10"},
    "bools": {**USAGE, "completion_tokens": True},
    "negative": {**USAGE, "prompt_tokens": -1},
    "huge": {**USAGE, "completion_tokens": 10**18},
    "half": {"prompt_tokens": 5},
    "fraction": {**USAGE, "prompt_tokens": 1.5},
}


@pytest.mark.parametrize("name", BAD_USAGE)
def test_M10_P16_a_paid_answer_with_bad_usage_stays_an_answer(serve: Any, name: str) -> None:
    served = serve([answer(completion("paid", BAD_USAGE[name]))], OK)

    answered = ask(served.router, "p/m", max_tokens=50)
    before = spent(served.router)
    ask(served.router, "p/m", max_tokens=50)

    assert answered.choices[0].message.content == "paid"
    assert answered.usage is None
    assert answered.routing.estimated
    assert 0 < before <= answered.routing.hold * 10**9
    assert spent(served.router) == before + 20_000


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e400"])
def test_M10_a_number_that_is_none_poisons_nothing(serve: Any, text: str) -> None:
    body = completion("paid", "USAGE").replace(
        b'"USAGE"', f'{{"prompt_tokens": {text}, "completion_tokens": 1}}'.encode()
    )
    served = serve([answer(body)], OK, max_retries=0)

    try:
        ask(served.router, "p/m", max_tokens=50)
    except APIResponseValidationError:
        assert text != "NaN"
    ask(served.router, "p/m", max_tokens=50)

    assert spent(served.router) < 1_000_000


def test_M10_whole_floats_are_counts_and_P16_zero_is_no_bill(serve: Any) -> None:
    served = serve(
        [answer(completion("a", {**USAGE, "prompt_tokens": 10.0}))],
        [answer(completion("b", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}))],
    )

    first, second = ask(served.router, "p/m"), ask(served.router, "p/m")

    assert first.routing.actual.cost_usd == Decimal("0.00002")
    assert second.routing.estimated
    assert 0 < second.routing.actual.cost_usd <= second.routing.hold


def test_M6_an_answer_of_tool_calls_without_usage_is_charged_for_them(serve: Any) -> None:
    function = {"name": "f", "arguments": "x" * 40}
    call = {"id": "c", "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    served = serve(
        [answer(completion(usage=..., choices=[choice]))], [answer(completion("", usage=...))]
    )
    served.router.models.add(Model("p/m", max_output=1000, supports=["tools"], **PRICES))

    with_call = ask(served.router, "p/m", max_tokens=900).routing.actual.cost_usd
    without = ask(served.router, "p/m", max_tokens=900).routing.actual.cost_usd

    assert with_call - without >= Decimal("0.00008")


def test_M7_each_attempt_has_a_row_of_its_own(serve: Any) -> None:
    served = serve([Reset], OK)

    told = ask(served.router, "p/m", max_tokens=50).routing

    rows = served.router.usage.records()
    assert [(r.attempt, r.state) for r in rows] == [(2, "settled"), (1, "estimated")]
    assert {r.routing_id for r in rows} == {told.id}


def test_M8_a_bill_above_the_bound_is_booked_whole_and_the_next_call_refused(serve: Any) -> None:
    bill = {"prompt_tokens": 10, "completion_tokens": 600_000, "total_tokens": 600_010}
    served = serve([answer(completion("dear", bill))])

    told = ask(served.router, "p/m", max_tokens=50).routing

    assert told.actual.cost_usd == Decimal("1.20001")
    assert spent(served.router) == 1_200_010_000
    with pytest.raises(BudgetExceededError):
        ask(served.router, "p/m", max_tokens=50)


def test_M3_the_hold_bounds_every_choice_asked_for(serve: Any) -> None:
    served = serve(OK)

    one = ask(served.router, "p/m", max_tokens=50).routing.hold
    three = ask(served.router, "p/m", max_tokens=50, n=3).routing.hold

    assert three - one >= Decimal("0.0002")


def test_M9_a_declared_free_model_needs_no_room(serve: Any) -> None:
    served = serve(OK)
    served.router.models.add(Model("p/free", input_usd_per_m=0, output_usd_per_m=0))
    served.router.budgets.set("model:p/free", 0)

    assert ask(served.router, "p/free").routing.actual.cost_usd == 0


def test_no_key_is_in_the_store_or_the_log(
    serve: Any, store_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    served = serve(failing(401, body=b'{"error": {"message": "bad key ' + KEY.encode() + b'"}}'))

    served.fails(extra_headers={"x-anthropic-key": "sk-ant-canary-999"})
    served.router.close()

    assert KEY not in caplog.text
    for file in Path(store_path).parent.iterdir():
        assert b"canary" not in file.read_bytes()
    assert "x-anthropic-key" not in served.server.requests[0].headers


@pytest.mark.parametrize("script", [failing(401), [Close], [Reset], [b"nonsense\r\n\r\n"]])
def test_X3_the_frames_of_an_error_show_no_key(serve: Any, script: list[Any]) -> None:
    served = serve(script, max_retries=0)

    error = served.fails()

    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    told = "".join(shown.format())
    assert "in open_exchange" in told or "in _read" in told
    assert KEY not in told


def test_S6_a_heartbeat_on_a_socket_does_not_keep_a_stream_open(serve: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    served = serve([head, event("Hi"), Dribble(b": ping\n\n" * 100, 0.05)])
    started = time.monotonic()

    stream = ask(served.router, "p/m", stream=True, timeout=0.5)
    with pytest.raises(APITimeoutError) as caught:
        list(stream)

    assert time.monotonic() - started < 1.5
    assert caught.value.partial is not None


def test_an_error_answer_that_breaks_off_is_still_that_error(serve: Any) -> None:
    cut = b'HTTP/1.1 400 Bad\r\nContent-Length: 900\r\n\r\n{"error": {"mess'
    served = serve([cut, Close])

    error = served.fails()

    assert isinstance(error, APIStatusError)
    assert error.status_code == 400
    assert spent(served.router) == 0
