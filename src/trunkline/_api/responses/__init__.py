"""OpenAI's Responses API, said in chat: requests in, whole responses and their events out.

Pure: it opens nothing, keeps nothing and asks nobody. What chat cannot say is refused by name
before anything is sent.
"""

from __future__ import annotations

from .answers import whole_response
from .events import ResponseEvents
from .requests import Wanted, read_request

__all__ = ["ResponseEvents", "Wanted", "read_request", "whole_response"]
