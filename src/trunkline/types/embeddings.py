"""OpenAI-shaped embeddings.

Shapes: https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PrivateAttr, WrapValidator, field_validator

from .chat import Shape, TokenCount, none_if_invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .routing import Routing


class Embedding(Shape):
    """One input's vector: floats, or base64 of little-endian float32 where that was asked for."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Shape):
    """What an embedding used, in tokens."""

    prompt_tokens: TokenCount
    total_tokens: TokenCount


class CreateEmbeddingResponse(Shape):
    """The vectors, in the order of the inputs; ``routing`` tells how they came about.

    ``usage`` is ``None`` where the provider reports none that can be believed.
    """

    object: Literal["list"] = "list"
    data: list[Embedding] = Field(min_length=1)
    model: str
    usage: Annotated[EmbeddingUsage | None, WrapValidator(none_if_invalid)] = None

    @field_validator("data")
    @classmethod
    def _in_order(cls, data: list[Embedding]) -> list[Embedding]:
        return sorted(data, key=lambda item: item.index)

    _routing: Routing | None = PrivateAttr(default=None)
    _request_id: str | None = PrivateAttr(default=None)
    _response_headers: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def routing(self) -> Routing:
        """Who was asked, and what it cost; not part of ``model_dump()``."""
        if self._routing is None:
            raise AttributeError("these embeddings did not come from a Router, so have no routing")
        return self._routing

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The provider's response headers that are about the answer, such as rate limits."""
        return self._response_headers

    def attach_routing(
        self, routing: Routing, response_headers: Mapping[str, str] | None = None
    ) -> None:
        """Take the record of how this answer came about; the Router does it."""
        self._routing = routing
        self._response_headers = response_headers or {}
        self._request_id = routing.attempts[-1].request_id if routing.attempts else None
