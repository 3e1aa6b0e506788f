"""Reads answers that are none: an error status and its body, or a body that is no answer.

Decides the class, type, code, parameter, request id and retry hints of an error, from the status
and the provider's own code, never by searching its message. Whatever the body holds, nothing here
raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic_core import from_json

from trunkline.errors import (
    APIError,
    APIResponseValidationError,
    APIStatusError,
    status_error_class,
)

from ._framing import start_of
from ._shapes import is_list, is_object
from .endpoint import excerpt, rate_limits, request_id, retry_after, scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trunkline.types.secret import Secret

    from .base import Exchange, HttpResponse

_MESSAGE_LIMIT = 500  # providers echo what they refuse; an error is no place for a prompt
_HOPELESS = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "billing_error": 402,
    "conflict_error": 409,
    "request_too_large": 413,
    "timeout_error": 504,
    "overloaded_error": 529,
    "server_error": 500,
}


class Complaint(NamedTuple):
    """What an error body says.

    Attributes:
        status: The status it means, where the answer's own says less.
        retry_after_s: The wait it asks for, where no header does.
        request_id: The provider's id of the exchange, likewise.
        is_hopeless: Whether no retry can help for now, as with a used-up quota of the day.
    """

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    retry_after_s: float | None = None
    request_id: str | None = None
    is_hopeless: bool = False


def complaint_in(body: object) -> Complaint | None:
    """Read a parsed error body: OpenAI's shape, a string, a bare message, or a list of one."""
    if is_list(body) and len(body) == 1:
        body = body[0]
    if not is_object(body):
        return None
    error = body.get("error")
    if is_object(error):
        inner = error
    elif isinstance(error, str) and error:
        return Complaint(error, _word(body.get("error_type")))
    elif isinstance(message := body.get("message") or body.get("detail"), str):
        return Complaint(message, _word(body.get("type")), _word(body.get("code")))
    else:
        return None
    return Complaint(
        _word(inner.get("message")),
        _word(inner.get("type")),
        _word(inner.get("code")),
        _word(inner.get("param")),
        request_id=_word(body.get("request_id")),
    )


@dataclass(frozen=True, slots=True)
class Source:
    """Who sent an answer, and how what is wrong with it is read.

    Attributes:
        provider: Its name.
        secrets: Keys that must not show in what is said about it.
        read: Reads a parsed error body.
        same_as: Statuses of its own, and the ones they mean.
    """

    provider: str
    secrets: tuple[Secret | None, ...] = ()
    read: Callable[[object], Complaint | None] = complaint_in
    same_as: Mapping[int, int] = field(default_factory=dict[int, int])

    def invalid(
        self, why: str, body: bytes, exchange: Exchange, **details: Any
    ) -> APIResponseValidationError:
        """Make the error for a body that is no answer; shows its first 200 characters at most."""
        shown = excerpt(body, self.hidden(exchange))
        return APIResponseValidationError(
            f"{self.provider}/{exchange.model} {why}" + (f": {shown}" if shown else ""),
            provider=self.provider,
            model=exchange.model,
            **{name: self.clean(detail, exchange) for name, detail in details.items()},
        )

    def hidden(self, exchange: Exchange) -> tuple[Secret | None, ...]:
        """Return the keys that must not show: the provider's and those of the call."""
        return (*self.secrets, *exchange.secrets)

    def clean(self, word: Any, exchange: Exchange) -> Any:
        """Return a word of an answer without keys; what is no text as it is."""
        return scrub(word, self.hidden(exchange)) if isinstance(word, str) else word


def failure(response: HttpResponse, exchange: Exchange, source: Source) -> APIError:
    """Map an answer that is no success."""
    if 300 <= response.status < 400:
        return _redirect(response, exchange, source)
    complaint = _scrubbed(source.read(_json(response.body)), exchange, source)
    headers = response.headers
    asked_s = retry_after(headers, exchange.created)
    means = complaint.status or source.same_as.get(response.status, response.status)
    return status_error_class(means)(
        _said(means, complaint, response.body, exchange, source, shown=response.status),
        status_code=response.status,
        type=complaint.type,
        code=complaint.code,
        param=complaint.param,
        provider_message=_message(complaint),
        retry_after=complaint.retry_after_s if asked_s is None else asked_s,
        rate_limits=rate_limits(headers),
        should_retry=_should_retry(headers.get("x-should-retry"), complaint),
        request_id=request_id(headers, source.hidden(exchange)) or complaint.request_id,
        provider=source.provider,
        model=exchange.model,
    )


def failure_in_stream(body: object, exchange: Exchange, source: Source) -> APIError:
    """Map an error that came as an event or line of a stream; unknown ones are the provider's."""
    complaint = _scrubbed(source.read(body), exchange, source)
    status = complaint.status or _status_of(complaint)
    return status_error_class(status)(
        _said(status, complaint, b"", exchange, source, verb="failed inside the stream"),
        status_code=status,
        type=complaint.type,
        code=complaint.code,
        param=complaint.param,
        provider_message=_message(complaint),
        retry_after=complaint.retry_after_s,
        should_retry=_should_retry(None, complaint),
        request_id=complaint.request_id,
        provider=source.provider,
        model=exchange.model,
    )


def _said(
    status: int,
    complaint: Complaint,
    body: bytes,
    exchange: Exchange,
    source: Source,
    *,
    verb: str = "answered",
    shown: int | None = None,
) -> str:
    who = f"{source.provider}/{exchange.model} {verb}"
    what = _message(complaint)
    if what is None:
        what = excerpt(body, source.hidden(exchange)) or "no message"
    hint = _hint(source, exchange) if status == 401 else ""
    return f"{who} ({shown or status}): {what}{hint}"


def _message(complaint: Complaint) -> str | None:
    return complaint.message[:_MESSAGE_LIMIT] if complaint.message else None


def _hint(source: Source, exchange: Exchange) -> str:
    if any(source.hidden(exchange)):
        return f" (check the key of provider {source.provider!r})"
    return " (no key was sent: one from the environment does not go to a base_url given in code)"


def _redirect(response: HttpResponse, exchange: Exchange, source: Source) -> APIStatusError:
    # A host is read in lower case, in which a key would not be found any more.
    location: str = source.clean(response.headers.get("location", ""), exchange)
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    where = f"host {excerpt(host.encode(), limit=100)!r}" if host else "another path"
    return APIStatusError(
        f"{source.provider}/{exchange.model} answered {response.status}, a redirect to {where}; "
        "redirects are never followed, so set base_url to the address that answers",
        status_code=response.status,
        should_retry=False,
        request_id=request_id(response.headers, source.hidden(exchange)),
        provider=source.provider,
        model=exchange.model,
    )


def _scrubbed(complaint: Complaint | None, exchange: Exchange, source: Source) -> Complaint:
    # Providers echo keys, and not only in the message.
    told = complaint or Complaint()
    return told._replace(
        message=source.clean(told.message, exchange),
        type=source.clean(told.type, exchange),
        code=source.clean(told.code, exchange),
        param=source.clean(told.param, exchange),
        request_id=source.clean(told.request_id, exchange),
    )


def _should_retry(header: str | None, complaint: Complaint) -> bool | None:
    if complaint.is_hopeless or complaint.code in _HOPELESS or complaint.type in _HOPELESS:
        return False
    return {"true": True, "false": False}.get((header or "").strip().lower())


def _status_of(complaint: Complaint) -> int:
    code = complaint.code or ""
    if code.isascii() and code.isdigit() and len(code) == 3 and 400 <= int(code) <= 599:
        return int(code)
    return _STATUS_OF_TYPE.get(code) or _STATUS_OF_TYPE.get(complaint.type or "") or 500


def _word(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _json(body: bytes) -> object:
    try:
        return from_json(start_of(body))
    except ValueError:
        return None
