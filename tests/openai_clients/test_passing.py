"""What we have no words for is passed on to OpenAI: logged, never under a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from tests.support.faces import completion
from tests.support.server import Pause, ScriptedServer, chunked
from tests.support.server import answer as whole

from trunkline import Router
from trunkline.openai import OpenAI
from trunkline.providers import EchoProvider, OpenAIProvider

if TYPE_CHECKING:
    from tests.openai_clients.conftest import Noted

JSON = {"content-type": "application/json"}


@pytest.fixture
def client(noted: Noted) -> OpenAI:
    noted.answers = {
        "/moderations": (200, JSON, b'{"id":"modr-1","model":"m","results":[]}'),
        "/files/file-1/content": (200, {"content-type": "image/png"}, b"\x89PNG\xff\x00"),
        "/files/none": (404, JSON, b'{"error":{"message":"No such File","type":"x","code":null}}'),
        "/files": (200, JSON, b'{"id":"file-1","object":"file","filename":"a.bin","purpose":"u"}'),
        "/audio/speech": (200, {"content-type": "audio/mpeg"}, b"ID3\xff\xfe"),
    }
    return OpenAI(api_key="sk-passing")


def test_an_answer_is_handed_on_as_it_is(client: OpenAI) -> None:
    assert client.moderations.create(input="hm").id == "modr-1"
    assert client.files.content("file-1").content == b"\x89PNG\xff\x00"
    assert client.audio.speech.create(input="hm", model="tts-1", voice="alloy").read() == (
        b"ID3\xff\xfe"
    )


def test_an_upload_goes_out_as_it_came(client: OpenAI, noted: Noted) -> None:
    client.files.create(file=("a.bin", b"\xff\xfe\x00"), purpose="user_data")

    (request,) = noted.requests["openai"]
    headers = dict(request.headers)
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/files")
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert headers["authorization"] == "Bearer sk-passing"
    assert b"\xff\xfe\x00" in request.body


def test_each_is_a_row_of_the_log(client: OpenAI) -> None:
    client.moderations.create(input="hm")

    (record,) = client.router.usage.records()
    assert (record.provider, record.model) == ("openai", "moderations")
    assert record.cost_usd == 0
    assert len(client.router.budgets.holds()) == 0


def test_an_error_of_openais_is_the_sdks(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="No such File"):
        client.files.retrieve("none")


@pytest.mark.parametrize("unpriced", ["refuse", "allow"])
def test_under_a_budget_it_is_a_404_that_says_why(noted: Noted, unpriced: str) -> None:
    client = OpenAI(api_key="sk-passing", unpriced=unpriced)
    client.router.budgets.set("all", usd="100")

    with pytest.raises(openai.NotFoundError, match="only where no budget is in scope") as caught:
        client.moderations.create(input="hm")

    assert caught.value.code == "not_under_a_budget"
    assert noted.requests == {}


def test_without_openai_it_is_a_404_that_says_why() -> None:
    client = OpenAI(router=Router(providers=[EchoProvider()], store=":memory:"))

    with pytest.raises(openai.NotFoundError, match="no provider 'openai' is configured"):
        client.moderations.create(input="hm")


@pytest.mark.parametrize("path", ["/", "/%2e%2e/x", "/files/%2e%2e/..%2fx", "/fi les"])
def test_what_is_no_path_of_the_api_is_not_passed_on(
    client: OpenAI, noted: Noted, path: str
) -> None:
    with pytest.raises((openai.NotFoundError, openai.OpenAIError)):
        client.get(path, cast_to=object)

    assert noted.requests == {}


def test_an_absolute_address_elsewhere_is_not_asked(client: OpenAI, noted: Noted) -> None:
    with pytest.raises(openai.OpenAIError, match="below base_url"):
        client.get("https://elsewhere.example.com/v1/files", cast_to=object)

    assert noted.requests == {}


def test_a_websocket_is_refused_before_it_opens(client: OpenAI) -> None:
    pytest.importorskip("websockets")
    with pytest.raises(TypeError, match="past every budget"), client.realtime.connect(model="m"):
        pass


def test_a_long_body_is_held_by_no_text_bound(client: OpenAI, noted: Noted) -> None:
    body: Any = b"\x00" * 3_000_000
    client.files.create(file=("a.bin", body), purpose="user_data")

    assert len(noted.requests["openai"][-1].body) > 3_000_000


def test_an_answer_is_handed_on_piece_by_piece_and_of_any_length() -> None:
    piece = b"\x00" * (1 << 20)
    big = chunked(*[piece] * 40, headers=[b"Content-Type: application/octet-stream"])
    with ScriptedServer([[big]]) as server:
        client = OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="sk-x")
        read = 0
        with client.files.with_streaming_response.content("file-1") as response:
            for data in response.iter_bytes():
                read += len(data)
        client.close()

    assert read == 40 << 20


def test_an_answer_left_unread_frees_its_connection() -> None:
    endless = chunked(b"x" * 10, headers=[b"Content-Type: audio/mpeg"], end=False)
    with ScriptedServer([[endless, Pause(30)]]) as server:
        client = OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="sk-x")
        ask: dict[str, Any] = {"input": "hm", "model": "tts-1", "voice": "alloy"}
        with client.audio.speech.with_streaming_response.create(**ask) as response:
            assert next(response.iter_bytes()) == b"x" * 10
        assert server.wait_closed()
        client.close()

    assert len(client.router.budgets.holds()) == 0


def test_its_cost_is_unknown_and_not_said_to_be_nothing(client: OpenAI) -> None:
    raw = client.moderations.with_raw_response.create(input="hm")

    assert raw.headers["x-trunkline-provider"] == "openai"
    assert "x-trunkline-cost-usd" not in raw.headers


@pytest.mark.parametrize("scope", ["model:openai/tts-1", "model:openai/*", "model:*/*"])
def test_a_budget_of_any_model_of_openais_is_in_scope(
    client: OpenAI, noted: Noted, scope: str
) -> None:
    client.router.budgets.set(scope, usd="100")

    with pytest.raises(openai.NotFoundError, match="only where no budget"):
        client.audio.speech.create(input="hm", model="tts-1", voice="alloy")

    assert noted.requests == {}


def test_routing_in_the_body_steers_and_is_not_sent(client: OpenAI, noted: Noted) -> None:
    steered = {"trunkline": {"team": "research"}}
    client.moderations.create(input="hm", extra_body=steered)
    client.router.budgets.set("team:research", usd="1")

    with pytest.raises(openai.NotFoundError, match="team:research"):
        client.moderations.create(input="hm", extra_body=steered)

    (request,) = noted.requests["openai"]
    assert b"trunkline" not in request.body
    assert client.router.usage.records()[0].team_id == "research"


def test_parameters_that_repeat_are_all_sent(client: OpenAI, noted: Noted) -> None:
    client.get("/files", cast_to=object, options={"params": {"include": ["a", "b"]}})

    assert noted.requests["openai"][-1].url.endswith("?include%5B%5D=a&include%5B%5D=b")


def test_a_slash_at_the_end_passes_nothing_by(client: OpenAI, noted: Noted) -> None:
    client.router.budgets.set("all", usd="0.0000001")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}

    with pytest.raises(openai.APIStatusError) as caught:
        client.post("/chat/completions/", cast_to=object, body=body)

    assert caught.value.status_code == 402
    assert noted.requests == {}


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:44", "https://api.example.co"])
def test_an_address_that_only_begins_like_the_base_url_is_not_asked(
    noted: Noted, base_url: str
) -> None:
    client = OpenAI(base_url=base_url, api_key="sk-x")
    longer = {"http://127.0.0.1:44": "http://127.0.0.1:441/steal"}.get(
        base_url, "https://api.example.com/steal"
    )

    with pytest.raises(openai.OpenAIError, match="below base_url"):
        client.post(longer, cast_to=object)

    assert noted.requests == {}


def test_a_client_of_ones_own_serves_its_endpoint_and_no_other_provider() -> None:
    asked: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.headers.get("x-own-token")))
        return httpx.Response(200, content=completion("own"), headers=JSON)

    with ScriptedServer([[whole(completion("groq"))]]) as server:
        groq = OpenAIProvider("groq", base_url=f"http://127.0.0.1:{server.port}/v1", api_key="sk-g")
        http = httpx.Client(
            transport=httpx.MockTransport(answer),
            headers={"x-own-token": "token"},
            auth=("user", "password"),
        )
        client = OpenAI(api_key="sk-x", providers=[groq], http_client=http)
        hello: list[Any] = [{"role": "user", "content": "x"}]
        for model in ("gpt-4o-mini", "groq/llama"):
            client.chat.completions.create(model=model, messages=hello)
        elsewhere = client.with_options(base_url="https://eu.example.com/v1")
        elsewhere.chat.completions.create(model="gpt-4o-mini", messages=hello)
        (request,) = server.requests
        client.close()

    assert asked == [("api.openai.com", "token"), ("eu.example.com", "token")]
    assert request.headers["authorization"] == "Bearer sk-g"
    assert "x-own-token" not in request.headers
