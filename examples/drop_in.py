"""A program written for the ``openai`` client: tools, a stream, structured output, retries.

Only its import line was changed; it was ``from openai import APIError, OpenAI``. It asks whatever
``OPENAI_API_KEY`` and ``OPENAI_BASE_URL`` lead to, as before: each call is now held, settled and
logged by a Router in this process.
"""

import json

from pydantic import BaseModel

from trunkline.openai import APIError, OpenAI

MODEL = "gpt-4o-mini"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Trip(BaseModel):
    """What is to come out of it."""

    city: str
    days: int


client = OpenAI(max_retries=4, timeout=30.0)
messages = [{"role": "user", "content": "What is the weather in Oslo? Use the tool."}]
answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
for call in answer.choices[0].message.tool_calls or []:
    asked = json.loads(call.function.arguments)
    messages.append(answer.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{asked}: rain, 4 C"})
with client.chat.completions.create(
    model=MODEL, messages=messages, tools=[WEATHER], stream=True
) as stream:
    for chunk in stream:
        print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")
print()
plan = [{"role": "user", "content": "Plan a trip there as JSON."}]
trip = client.chat.completions.parse(model=MODEL, messages=plan, response_format=Trip)
print(trip.choices[0].message.parsed)
try:
    client.with_options(max_retries=1).chat.completions.create(model="gpt-none", messages=plan)
except APIError as error:
    print(type(error).__name__, error.message)
