"""Your own provider: four pure methods translate between OpenAI's shapes and your API's bytes."""

import json
from dataclasses import dataclass

import trunkline as tl
from trunkline.providers import base


def shape(asked: base.Exchange, said: base.JSON, key: str) -> base.JSON:
    text = {"role": "assistant", "content": said["text"]}
    made = {"id": asked.new_id("oracle-"), "created": asked.created, "model": asked.model}
    return {**made, "choices": [{"index": 0, key: text, "finish_reason": said.get("end")}]}


@dataclass
class Lines:  # reads a stream: bytes in, chunks out, wherever the bytes were cut
    exchange: base.Exchange
    rest: bytes = b""
    usage: tl.Usage | None = None
    error: tl.APIError | None = None

    def feed(self, data: bytes) -> list[tl.ChatCompletionChunk]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        said = [json.loads(line) for line in lines if line]
        self.usage = next((tl.Usage(**s["usage"]) for s in said if "usage" in s), self.usage)
        return [tl.ChatCompletionChunk(**shape(self.exchange, s, "delta")) for s in said]

    def close(self) -> list[tl.ChatCompletionChunk]:
        return []


class Oracle:  # asks an imaginary API: a question in, lines of text out, token counts on the last
    name, models = "oracle", [tl.Model("delphi", input_usd_per_m="1", output_usd_per_m="2")]
    decoder = Lines  # decoder(exchange) starts reading a stream

    def build_request(self, asked: base.Asked) -> base.ProviderRequest:
        body = json.dumps({"question": asked.params["messages"][-1]["content"]}).encode()
        http = base.HttpRequest("POST", "https://oracle.example/ask", (), body)
        return base.ProviderRequest(http, asked.exchange())

    def parse(self, response: base.HttpResponse, exchange: base.Exchange) -> tl.ChatCompletion:
        said = [json.loads(line) for line in response.body.splitlines()]
        said[-1]["text"] = "".join(s["text"] for s in said)
        return tl.ChatCompletion(**shape(exchange, said[-1], "message"), usage=said[-1]["usage"])

    def failure(self, response: base.HttpResponse, exchange: base.Exchange) -> tl.APIError:
        return tl.APIStatusError(f"{exchange.model}: status {response.status}", provider=self.name)

    def transport(self, _: base.HttpRequest) -> object:  # plays the server: leave it out for HTTP
        usage = b'{"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}'
        yield base.Head(200)
        yield b'{"text": "Know "}\n{"text": "thyself.", "end": "stop", "usage": %s}\n' % usage


with tl.Router(providers=[Oracle()], store=":memory:") as router:
    asked = [{"role": "user", "content": "What now?"}]
    print(router.chat.completions.create(model="auto", messages=asked).choices[0].message.content)
    with router.chat.completions.create(model="auto", messages=asked, stream=True) as stream:
        print([chunk.choices[0].delta.content for chunk in stream])
