"""Streaming: chunks as they come, the whole answer and its bill at the end; sync and async."""

import asyncio

from trunkline import AsyncRouter, Router
from trunkline.providers import EchoProvider

# Echo answers with your own words, a word a chunk: no key, no network, no cost.
QUESTION = [{"role": "user", "content": "one two three four five"}]

with Router(providers=[EchoProvider()], store=":memory:") as router:
    # A stream is an iterator and a context manager. Leaving the block early hangs up, and only what
    # was received is paid for, unless the model may have thought unseen: then all it was allowed.
    with router.chat.completions.create(model="echo", messages=QUESTION, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                print(chunk.choices[0].delta.content, end="", flush=True)
    print()

    # When it has ended, the joined answer and the routing are there.
    assert stream.response is not None
    print("joined:", stream.response.choices[0].message.content)
    print("routing:", stream.routing)


async def main() -> None:
    """Do the same without blocking; this works on trio, too."""
    async with AsyncRouter(providers=[EchoProvider()], store=":memory:") as router:
        stream = await router.chat.completions.create(model="echo", messages=QUESTION, stream=True)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                print(chunk.choices[0].delta.content, end="|")
    print()


asyncio.run(main())
