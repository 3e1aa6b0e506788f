"""Simulated models do what they were told, again and again."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.support.exchanges import asked, run_decoder, run_transport

from trunkline.errors import ConfigurationError, InternalServerError, NotFoundError, RateLimitError
from trunkline.providers import SimulatedModel, SimulatedProvider
from trunkline.providers.base import Wait


def provider_of(seed: int = 0, **fields: Any) -> SimulatedProvider:
    return SimulatedProvider(models=[SimulatedModel(**{"id": "a", **fields})], seed=seed)


def ask(provider: SimulatedProvider, text: str = "hi", **params: Any) -> Any:
    """Return the answer or the error, and the seconds that passed."""
    messages = [{"role": "user", "content": text}]
    model = params.pop("model", "a")
    call = asked(model, "simulated", params={"messages": messages, **params})
    request = provider.build_request(call)
    response, waited = run_transport(provider, request.http)
    if response.status != 200:
        return provider.failure(response, request.exchange), waited
    if not params.get("stream"):
        return provider.parse(response, request.exchange), waited
    decoder = provider.decoder(request.exchange)
    return run_decoder(decoder, response.body), waited


def qualities(provider: SimulatedProvider, n: int = 5) -> list[float]:
    return [ask(provider, f"q{i % 2}")[0].simulated_quality for i in range(n)]


def test_draws_repeat_under_the_same_seed_and_differ_under_another() -> None:
    drawn = qualities(provider_of(quality=0.5, quality_noise=0.3))

    assert drawn == qualities(provider_of(quality=0.5, quality_noise=0.3))
    assert drawn != qualities(provider_of(1, quality=0.5, quality_noise=0.3))
    assert len(set(drawn)) == 5
    assert all(0.2 <= q <= 0.8 for q in drawn)


def test_draws_do_not_depend_on_the_order_of_threads() -> None:
    def drawn(texts: list[str]) -> dict[str, float]:
        provider = provider_of(quality=0.5, quality_noise=0.3)
        return {text: ask(provider, text)[0].simulated_quality for text in texts}

    assert drawn(["x", "y", "z"]) == drawn(["z", "x", "y"])


def test_quality_stays_a_share_and_may_depend_on_the_request() -> None:
    assert ask(provider_of(quality=7.0))[0].simulated_quality == 1.0
    asked_for = provider_of(quality=lambda params: 0.25 * len(params["messages"]))
    assert ask(asked_for)[0].simulated_quality == 0.25


def test_usage_latency_and_price_are_as_told() -> None:
    provider = provider_of(
        latency_s=2.0, output_tokens=50, input_usd_per_m="0.15", output_usd_per_m="0.6"
    )

    answer, waited = ask(provider, "x" * 40)

    assert waited == 2.0
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (14, 50)
    billed = provider.billed
    assert (billed.calls, billed.prompt_tokens, billed.completion_tokens) == (1, 14, 50)
    assert billed.nanousd == 14 * 150 + 50 * 600


def test_usage_and_output_may_be_computed() -> None:
    exact = provider_of(usage=lambda _: (11, 22))
    counted = provider_of(output_tokens=lambda _: 33)

    assert ask(exact)[0].usage.total_tokens == 33
    assert ask(counted)[0].usage.completion_tokens == 33


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_cap_cuts_the_output(name: str) -> None:
    cap: dict[str, Any] = {name: 9}

    answer, _ = ask(provider_of(output_tokens=50), **cap)

    assert answer.usage.completion_tokens == 9
    assert answer.choices[0].finish_reason == "length"


def test_a_fraction_of_a_nanodollar_is_rounded_up_once() -> None:
    provider = provider_of(
        usage=lambda _: (1, 1), input_usd_per_m="0.0001", output_usd_per_m="0.0001"
    )

    ask(provider)

    assert provider.billed.nanousd == 1


@pytest.mark.parametrize(("text", "said"), [("fixed", "fixed"), (lambda _: "made", "made")])
def test_the_text_may_be_given(text: Any, said: str) -> None:
    assert ask(provider_of(text=text))[0].choices[0].message.content == said
    assert "50 tokens by a" in ask(provider_of(output_tokens=50))[0].choices[0].message.content


def test_errors_come_at_their_rate_unbilled_and_a_retry_draws_anew() -> None:
    provider = provider_of(error_rate=0.4)

    outcomes = [ask(provider)[0] for _ in range(200)]

    failed = [o for o in outcomes if isinstance(o, Exception)]
    assert 50 < len(failed) < 110
    assert {type(o) for o in failed} == {RateLimitError, InternalServerError}
    assert provider.billed.calls == 200 - len(failed)


def test_a_stream_says_the_same_in_pieces() -> None:
    provider = provider_of(latency_s=2.0, first_chunk_s=0.5, text="a simulated answer")

    chunks, waited = ask(provider, stream=True, stream_options={"include_usage": True})

    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "a simulated answer"
    assert waited == pytest.approx(2.0)
    assert chunks[-2].simulated_quality == 0.7
    assert chunks[-1].usage.completion_tokens == 100
    assert provider.billed.completion_tokens == 100


def test_an_empty_text_streams_too() -> None:
    chunks, _ = ask(provider_of(text=""), stream=True)

    assert chunks[-1].choices[0].finish_reason == "stop"


def test_who_hangs_up_pays_for_what_was_made() -> None:
    provider = provider_of(output_tokens=80)
    call = asked("a", params={"stream": True})
    steps = provider.transport(provider.build_request(call).http)

    pieces = (step for step in steps if isinstance(step, bytes))
    next(pieces)
    next(pieces)
    steps.close()

    assert provider.billed.calls == 1
    assert 0 < provider.billed.completion_tokens < 80


def test_real_time_is_passed_on() -> None:
    model = SimulatedModel(id="a", latency_s=1.5)
    provider = SimulatedProvider(models=[model], real_time=True)

    first = next(provider.transport(provider.build_request(asked("a")).http))

    assert first == Wait(1.5, real=True)


def test_an_unknown_model_is_not_found() -> None:
    error, _ = ask(provider_of(), model="b")

    assert isinstance(error, NotFoundError)


def test_a_bad_error_rate_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="error_rate"):
        SimulatedModel(id="a", error_rate=1.5)


def test_the_books_are_exact_under_threads() -> None:
    provider = provider_of(usage=lambda _: (3, 5), input_usd_per_m="1", output_usd_per_m="2")
    threads = [
        threading.Thread(target=lambda: [ask(provider) for _ in range(50)]) for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    billed = provider.billed
    assert (billed.calls, billed.prompt_tokens, billed.completion_tokens) == (200, 600, 1000)
    assert billed.nanousd == 200 * (3 * 1000 + 5 * 2000)


def test_the_catalogue_sees_a_priced_model() -> None:
    (model,) = provider_of(input_usd_per_m="1", output_usd_per_m="2", prior_quality=0.4).models

    assert model.prices is not None
    assert model.prices.base.output == 2_000_000
    assert model.quality == 0.4
