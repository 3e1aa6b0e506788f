"""The requests of OpenAI's HTTP API and the replies to them, as plain data.

Decides what of a request's body and headers steers the call and what goes to the provider. Where a
request comes from and how a reply leaves is the business of the face above: a client in this
process, or a server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import from_json

from trunkline.errors import BadRequestError
from trunkline.providers._shapes import is_object
from trunkline.types.headers import routing_headers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from trunkline._io.protocol import Timeout
    from trunkline.types.routing import Routing

JSON = dict[str, Any]
JSON_TYPE = {"content-type": "application/json"}
SSE_TYPE = {"content-type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request, addressed below the base URL.

    Attributes:
        path: ``"/chat/completions"``.
        headers: What goes to the provider; keys among them are for one call.
        query: Likewise.
        timeout: Of each attempt; ``None`` leaves it to the Router.
        content_type: Of the body.
        only: The one provider that there is, at an address of its own: names that begin like its
            own are that server's names of models, to be sent as they are.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    timeout: Timeout | None = None
    only: str | None = None

    def json(self) -> JSON:
        """Return the body as an object.

        Raises:
            BadRequestError: It is none.
        """
        try:
            body: object = from_json(self.body)
        except ValueError:
            body = None
        if not is_object(body):
            raise BadRequestError(f"{self.path} takes a JSON object as its body", sent=False)
        model = body.get("model")
        if self.only is not None and isinstance(model, str) and model.startswith(f"{self.only}/"):
            body["model"] = f"{self.only}/{model}"
        return body

    def given(self, body: Mapping[str, Any], known: Collection[str]) -> JSON:
        """Return a body as the arguments of a call: fields of other APIs go in ``extra_body``."""
        given: JSON = {}
        extra: JSON = {}
        for name, value in body.items():
            (given if name in known else extra)[name] = value
        if extra:
            given["extra_body"] = extra
        return {**given, **self.steering()}

    def steering(self) -> JSON:
        """Return the arguments of a call that are in no body."""
        found: JSON = {}
        if self.headers:
            found["extra_headers"] = self.headers
        if self.query:
            found["extra_query"] = self.query
        if self.timeout is not None:
            found["timeout"] = self.timeout
        return found


class Streamed(Protocol):
    """A reply's body that comes piece by piece."""

    async def next_bytes(self) -> bytes:
        """Return the next bytes, ``b""`` at the end."""
        ...

    async def finish(self) -> None:
        """Stop early, or do nothing after the end."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: a whole body, or one that comes piece by piece."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Streamed = field(repr=False)


class Answered(Protocol):
    """An answer of the pipeline."""

    @property
    def routing(self) -> Routing:
        """How it came about."""
        ...

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The provider's response headers that are about it."""
        ...


def told(answer: Answered) -> dict[str, str]:
    """Return the headers of a JSON reply: the provider's, the type, and what the routing says."""
    return {**answer.response_headers, **JSON_TYPE, **routing_headers(answer.routing)}
