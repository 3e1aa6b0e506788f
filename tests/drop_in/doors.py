"""What a case is run through: a module that stands where ``openai`` stood, and its clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.drop_in.wire import Wire

DOORS = {"genuine": "openai", "ours": "trunkline.openai"}
KEY = "sk-test"
MODEL = "gpt-4o-mini"
CLOUDS = ("AzureOpenAI", "AsyncAzureOpenAI", "BedrockOpenAI", "AsyncBedrockOpenAI")
TEXT = "Hello there, you!"
ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": TEXT}]}


@dataclass
class Door:
    """One module in the place of ``openai``.

    Attributes:
        name: ``genuine`` or ``ours``.
        openai: The module.
        wire: Whom its clients ask.
    """

    name: str
    openai: Any
    wire: Wire
    _clients: list[Any] = field(default_factory=list[Any])

    def sync(self, **options: Any) -> Any:
        """Return a client of the local server; it is closed with the test."""
        client = self.openai.OpenAI(**{**self._defaults(), **options})
        self._clients.append(client)
        return client

    def asynchronous(self, **options: Any) -> Any:
        """Return an asynchronous client of the local server; use ``async with``."""
        return self.openai.AsyncOpenAI(**{**self._defaults(), **options})

    def close(self) -> None:
        """Close the synchronous clients."""
        for client in self._clients:
            client.close()

    def _defaults(self) -> dict[str, Any]:
        return {"api_key": KEY, "base_url": self.wire.url}


def written(chunks: Any) -> str:
    """Return the text that chunks of a chat stream spell."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
