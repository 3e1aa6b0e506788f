"""Pages, models, embeddings, legacy completions, and the endpoints that are passed through."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import MODEL, TEXT
from tests.drop_in.replies import MODELS, VECTORS
from tests.drop_in.wire import JOBS, SPEECH

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

EMBEDDER = "text-embedding-3-small"
IDS = sorted(str(row["id"]) for row in MODELS)


@pytest.mark.surface("models.list, models.retrieve")
def test_models_are_listed_by_iterating(client: Any) -> None:
    page = client.models.list()

    assert [model.id for model in page] == [model.id for model in page.data]
    assert sorted(model.id for model in page) == IDS
    assert {type(model) for model in page} == {openai.types.Model}
    assert page.object == "list"
    assert not page.has_next_page()


async def test_models_are_listed_by_async_iterating(door: Door) -> None:
    async with door.asynchronous() as client:
        seen = [model.id async for model in client.models.list()]
        page = await client.models.list()

    assert seen == [model.id for model in page.data]
    assert sorted(seen) == IDS


def test_a_model_is_retrieved(client: Any) -> None:
    model = client.models.retrieve(MODEL)

    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "openai")


def test_a_model_that_is_none_is_not_found(client: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


@pytest.mark.surface("pagination")
def test_further_pages_are_fetched_while_iterating(door: Door, client: Any) -> None:
    jobs = [job.id for job in client.fine_tuning.jobs.list(limit=2)]

    assert jobs == JOBS
    assert [request.query.get("after") for request in door.wire.requests] == [
        None,
        [JOBS[1]],
        [JOBS[3]],
    ]


def test_pages_are_stepped_by_hand(client: Any) -> None:
    first = client.fine_tuning.jobs.list(limit=3)

    assert first.has_next_page()
    assert first.next_page_info() is not None
    second = first.get_next_page()
    assert [job.id for job in second.data] == JOBS[3:]
    assert not second.has_next_page()
    assert [len(page.data) for page in first.iter_pages()] == [3, 2]


async def test_further_pages_are_fetched_while_async_iterating(door: Door) -> None:
    async with door.asynchronous() as client:
        jobs = [job.id async for job in client.fine_tuning.jobs.list(limit=2)]

    assert jobs == JOBS


@pytest.mark.surface("embeddings.create")
def test_embeddings_are_asked_for_in_base64_and_decoded(client: Any) -> None:
    answer = client.embeddings.create(model=EMBEDDER, input=["a", "b"])

    assert [row.embedding for row in answer.data] == list(VECTORS)
    assert [row.index for row in answer.data] == [0, 1]
    assert (answer.object, answer.usage.total_tokens) == ("list", 3)


def test_embeddings_in_floats_are_the_same(client: Any) -> None:
    answer = client.embeddings.create(model=EMBEDDER, input="a", encoding_format="float")

    assert answer.data[0].embedding == VECTORS[0]


def test_embeddings_in_base64_stay_in_base64_where_asked(client: Any) -> None:
    answer = client.embeddings.create(model=EMBEDDER, input="a", encoding_format="base64")

    assert isinstance(answer.data[0].embedding, str)


def test_embeddings_of_tokens_with_dimensions(door: Door, client: Any) -> None:
    client.embeddings.create(model=EMBEDDER, input=[[1, 2], [3]], dimensions=3, user="someone")

    sent = door.wire.last.json
    assert (sent["input"], sent["dimensions"], sent["user"]) == ([[1, 2], [3]], 3, "someone")


async def test_async_embeddings_are_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        answer = await client.embeddings.create(model=EMBEDDER, input=["a", "b"])

    assert [row.embedding for row in answer.data] == list(VECTORS)


@pytest.mark.surface("completions.create (legacy)")
def test_a_legacy_completion_is_text(client: Any) -> None:
    answer: Any = client.completions.create(model=MODEL, prompt=TEXT)

    assert isinstance(answer, openai.types.Completion)
    assert answer.choices[0].text == TEXT
    assert (answer.object, answer.choices[0].finish_reason) == ("text_completion", "stop")
    assert answer.usage
    assert answer.usage.total_tokens == 5


def test_a_legacy_completion_is_streamed(client: Any) -> None:
    seen = list(client.completions.create(model=MODEL, prompt=TEXT, stream=True))

    assert "".join(part.choices[0].text for part in seen if part.choices) == TEXT
    assert {type(part) for part in seen} == {openai.types.Completion}
    assert [part.choices[0].finish_reason for part in seen if part.choices][-1] == "stop"


async def test_an_async_legacy_completion_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        answer = await client.completions.create(model=MODEL, prompt=TEXT)

    assert answer.choices[0].text == TEXT


@pytest.mark.surface("moderations, images, audio, files")
def test_moderations_pass(door: Door, client: Any) -> None:
    answer = client.moderations.create(input="x")

    assert answer.results[0].flagged is False
    assert door.wire.last.headers["authorization"] == "Bearer sk-test"


def test_images_pass(client: Any) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a parrot")

    assert answer.data[0].b64_json == "aGk="


def test_speech_comes_as_bytes(client: Any) -> None:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Hi")

    assert answer.read() == answer.content == SPEECH


def test_sound_is_sent_as_a_form(door: Door, client: Any) -> None:
    sound = ("sound.wav", io.BytesIO(b"RIFF\x00\xff"), "audio/wav")

    answer = client.audio.transcriptions.create(model="whisper-1", file=sound)

    assert answer.text == "heard"
    assert door.wire.last.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"RIFF\x00\xff" in door.wire.last.body
    assert b'filename="sound.wav"' in door.wire.last.body


def test_a_file_is_sent_and_its_content_read(door: Door, client: Any) -> None:
    file = client.files.create(file=("lines.jsonl", b"line\n"), purpose="batch")

    content = client.files.content(file.id)

    assert file.id == "file-1"
    assert content.text == "line\n"
    assert content.response.headers["content-type"] == "application/octet-stream"


def test_a_model_is_deleted(door: Door, client: Any) -> None:
    assert client.models.delete(MODEL).deleted is True
    assert (door.wire.last.method, door.wire.last.path) == ("DELETE", f"/v1/models/{MODEL}")


async def test_async_moderations_and_files_pass(door: Door) -> None:
    async with door.asynchronous() as client:
        verdict = await client.moderations.create(input="x")
        file = await client.files.create(file=("lines.jsonl", b"line\n"), purpose="batch")

    assert verdict.results[0].flagged is False
    assert file.id == "file-1"
