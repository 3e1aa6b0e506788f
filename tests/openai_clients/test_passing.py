"""What we have no words for is passed on to OpenAI: logged, never under a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from trunkline import Router
from trunkline.openai import OpenAI
from trunkline.providers import EchoProvider

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
    assert (record.provider, record.model, record.cost_usd) == ("openai", "moderations", 0)
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
