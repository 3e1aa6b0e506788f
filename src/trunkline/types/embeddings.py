"""OpenAI-shaped embeddings.

Shapes: https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WrapValidator, field_validator

from .chat import Routed, Shape, TokenCount, none_if_invalid


class Embedding(Shape):
    """One input's vector: floats, or base64 of little-endian float32 where that was asked for."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Shape):
    """What an embedding used, in tokens."""

    prompt_tokens: TokenCount
    total_tokens: TokenCount


class CreateEmbeddingResponse(Routed):
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
