"""Where a provider is reached and with what: base URLs, headers, keys, and text free of keys.

Decides what may be a base URL (failure-model X7), a header (X8), whose key a header is, what is cut
from a message (X2) and how long a provider asks us to wait. What an error body means is
``_failures``' business.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from math import isfinite
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from trunkline.catalog.models import Model
from trunkline.errors import ConfigurationError
from trunkline.types.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Headers = tuple[tuple[str, str], ...]

KEY_HEADERS = {
    "x-openai-key": "openai",
    "x-anthropic-key": "anthropic",
    "x-google-key": "google",
    "x-gemini-key": "google",
    "x-goog-api-key": "google",
    "x-cohere-key": "cohere",
    "x-huggingface-key": "huggingface",
    "x-ollama-key": "ollama",
}
"""Header names that carry one provider's key and never reach another."""

NATIVE_KEY_HEADERS = {"x-api-key": "anthropic", "api-key": "openai"}
"""Names by which an API knows its key: of a call they are for that kind of provider alone.

Gateways of other kinds use them as well, and get them as their ``default_headers``.
"""

_LOOKS_SECRET = re.compile(
    r"(?:.*[-_])?(?:(?:api|access|auth|secret|subscription|functions|virtual)[-_]?key"
    r"|[a-z]*token|secret|password|credentials?|auth(?:orization)?|cookie)"
)
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-debug-trace-id")
_LIMIT_HEADER = re.compile(r"(?:x|anthropic)-ratelimit-|x-trial-endpoint-call-")
_SET_BY_IO = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UNSAFE_URL = re.compile(r"[\x00-\x20\x7f\\]|[^\x00-\x7f]")
_PORTS = {"http": 80, "https": 443}
# Where clouds answer with a machine's own credentials, beyond the link-local addresses.
_METADATA_HOSTS = frozenset(
    {"metadata.google.internal", "metadata", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"}
)

# Query parameters that are keys, without what parts their words.
_KEY_PARAMETERS = frozenset(
    {
        *("key", "apikey", "xapikey", "xgoogapikey", "subscriptionkey", "accesskey", "secretkey"),
        *("token", "accesstoken", "authtoken", "oauthtoken", "apitoken", "bearertoken", "idtoken"),
        *("auth", "authorization", "bearer", "secret", "clientsecret", "password", "credentials"),
    }
)
_ODD_IN_NAMES = re.compile(r"[^a-z0-9]")
_KEY_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-|gsk_|hf_|xai-)[A-Za-z0-9_\-*.]{6,}"
    r"|AIza[A-Za-z0-9_\-]{10,}"
    r"|(?i:bearer)\s+[A-Za-z0-9_\-.~+/=*]{6,}"
    r"|(?i:(?<=[?&])(?:api[_-]?key|key|access_token|token)=)[^&\s\"']+"
)
_REMOVED = "[key]"
_SHORTEST_SCRUBBED = 4  # replacing a shorter "key" would eat ordinary text


def check_name(name: object) -> str:
    """Return a provider's name if it can stand before a slash, in scopes and in errors."""
    if isinstance(name, str) and _KEY_SHAPES.search(name):
        raise ConfigurationError("a provider's name looks like a key: write api_key=")
    if not isinstance(name, str) or not _PROVIDER_NAME.fullmatch(name):
        raise ConfigurationError(
            f"provider name {str(name)[:60]!r} must be 1 to 64 letters, digits, '.', '_' or '-'"
        )
    return name


def declared(models: Iterable[Model | str], *, free: bool = False) -> tuple[Model, ...]:
    """Return the models a provider declares; a bare id has no price unless ``free``."""
    if isinstance(models, str):
        raise ConfigurationError(f"models={models!r} must be a sequence: write models=[{models!r}]")
    price = "0" if free else None
    return tuple(
        m if isinstance(m, Model) else Model(m, input_usd_per_m=price, output_usd_per_m=price)
        for m in models
    )


def check_base_url(url: object, *, trusted: bool = False) -> str:
    """Return a base URL without its trailing slash, if it is one that keys and prompts may go to.

    Args:
        url: https, or http to loopback; no user, query, fragment or odd characters.
        trusted: The caller vouches for plain http and for link-local addresses.

    Raises:
        ConfigurationError: Anything else; the message leaves out what may be a password.
    """
    if not isinstance(url, str) or _UNSAFE_URL.search(url):
        raise ConfigurationError("base_url must be a plain URL: no spaces, controls or backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("base_url has no valid host and port") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("base_url must begin with https://HOST or http://localhost")
    if "@" in parts.netloc:
        raise ConfigurationError("base_url must not hold a user or password; give api_key=")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ConfigurationError("base_url must not hold a query or fragment; use default_query=")
    if ".." in parts.path.split("/"):
        raise ConfigurationError("base_url must not hold '..'")
    if not trusted:
        _check_host(host, plain=parts.scheme == "http")
    return url.rstrip("/")


def _check_host(host: str, *, plain: bool) -> None:
    if plain and not is_loopback(host):
        raise ConfigurationError(
            f"base_url is plain http to {host!r}, which is not this machine: use https, "
            "or vouch for it with trust_base_url=True"
        )
    if is_metadata(host):
        raise ConfigurationError(
            f"base_url points at {host!r}, a link-local or metadata address; "
            "if you mean it, say trust_base_url=True"
        )


def is_metadata(host: str) -> bool:
    """Say whether a name or address is link-local or where a cloud keeps its credentials."""
    address = _address(host)
    shown = host.rstrip(".") if address is None else str(address)
    return shown in _METADATA_HOSTS or (address is not None and address.is_link_local)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def host_of(url: str) -> str:
    """Return a checked URL's host, lower case."""
    return urlsplit(url).hostname or ""


def is_same_origin(url: str, other: str) -> bool:
    """Say whether two checked URLs have scheme, host and port in common, said or not."""
    one, two = urlsplit(url), urlsplit(other)
    ports = [_PORTS[p.scheme] if p.port is None else p.port for p in (one, two)]
    return (one.scheme, one.hostname, ports[0]) == (two.scheme, two.hostname, ports[1])


def _address(host: str) -> Any:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def checked_query(query: Mapping[str, object], name: str) -> dict[str, object]:
    """Return what is to be added to URLs, which are logged on the way and so hold no key.

    Raises:
        ConfigurationError: One of the names is that of a key; the message leaves out its value.
    """
    for key in query:
        if _ODD_IN_NAMES.sub("", str(key).lower()) in _KEY_PARAMETERS:
            raise ConfigurationError(
                f"{name} holds {str(key)[:60]!r}, and keys go in headers, never in an address: "
                "give api_key=, or a header such as x-openai-key"
            )
    return dict(query)


def with_query(url: str, *queries: Mapping[str, object]) -> str:
    """Return ``url`` with the queries merged and quoted; a later one wins."""
    merged = {k: v for query in queries for k, v in query.items()}
    return f"{url}?{urlencode(merged, doseq=True)}" if merged else url


def secret(key: str | Secret | None, *, name: str = "api_key") -> Secret | None:
    """Wrap a key; an empty one is none.

    Raises:
        ConfigurationError: No string, or characters no header can carry. It never shows the key.
    """
    if key is None or isinstance(key, Secret):
        return key
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers vary
        raise ConfigurationError(f"{name} must be a string, not {type(key).__name__}")
    key = key.strip()
    if not key:
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(f"{name} holds spaces or characters that no key has")
    return Secret(key)


def split_headers(headers: Mapping[str, str], section: str | None) -> tuple[Headers, Secret | None]:
    """Check headers and take the keys out of them.

    Args:
        headers: As the caller gave them.
        section: Whose ``x-…-key`` is this provider's own.

    Returns:
        The other headers with lower-case names, and this provider's key where one was among them.
        Other providers' keys are dropped.

    Raises:
        ConfigurationError: A name or value no header may have, by name and without the value.
    """
    plain: dict[str, str] = {}
    key: Secret | None = None
    for name, value in headers.items():
        lower = _checked_header(name, value)
        if lower == "authorization":
            scheme, _, token = value.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise ConfigurationError("header 'Authorization' must be 'Bearer KEY'")
            key = secret(token, name="header 'Authorization'")
        elif lower in KEY_HEADERS or (lower, section) == ("x-api-key", "anthropic"):
            if KEY_HEADERS.get(lower, section) == section:
                key = secret(value, name=f"header {lower!r}")
        else:
            plain[lower] = value
    return tuple(plain.items()), key


def keys_in(headers: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return every key among headers, whosesoever it is, so that none of them is shown."""
    values = [v for name, v in headers.items() if is_secret(name)]
    return tuple(Secret(value.rpartition(" ")[2]) for value in values)


@lru_cache(maxsize=256)
def is_secret(name: str) -> bool:
    """Say whether a header holds a key, or looks as if it did."""
    lower = name.lower()
    return lower in KEY_HEADERS or _LOOKS_SECRET.fullmatch(lower) is not None


def _checked_header(name: object, value: object) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ConfigurationError(f"header name {str(name)[:60]!r} is not one")
    if not isinstance(value, str):
        raise ConfigurationError(f"header {name!r} must be a string, not {type(value).__name__}")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ConfigurationError(f"header {name!r} holds characters beyond latin-1") from None
    if any(c in value for c in "\r\n\0"):
        raise ConfigurationError(f"header {name!r} holds a line break or NUL")
    lower = name.lower()
    if lower in _SET_BY_IO:
        raise ConfigurationError(f"header {name!r} is set by the connection itself")
    return lower


def scrub(text: str, secrets: Sequence[Secret | None] = ()) -> str:
    """Return ``text`` without the given keys and without anything that looks like a key."""
    return _KEY_SHAPES.sub(_REMOVED, without(text, secrets))


def without(text: str, secrets: Iterable[Secret | None]) -> str:
    """Return ``text`` without the given keys."""
    for item in secrets:
        if item is not None and len(value := item.reveal()) >= _SHORTEST_SCRUBBED:
            text = text.replace(value, _REMOVED)
    return text


def excerpt(body: bytes, secrets: Sequence[Secret | None] = (), limit: int = 200) -> str:
    """Return the first printable characters of an answer, without keys."""
    text = scrub(body[: 16 * limit].decode("utf-8", "replace"), secrets)
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:limit]


def request_id(headers: Mapping[str, str], secrets: Sequence[Secret | None] = ()) -> str | None:
    """Return the provider's id of an exchange, where its headers tell; without keys."""
    for name in _REQUEST_ID_HEADERS:
        if value := headers.get(name):
            return scrub(value[:1000], secrets)[:200]
    return None


def rate_limits(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what a provider's headers say of its limits, each of a length a limit can have."""
    return {n: v for n, v in headers.items() if _LIMIT_HEADER.match(n) and len(v) <= 100}


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds a provider asks us to wait: milliseconds, seconds or an HTTP date.

    Args:
        headers: Lower-case names.
        now: UTC epoch seconds, where the answer carries no ``date`` of its own.

    Returns:
        At least 0, ``None`` where there is no believable figure.
    """
    if (ms := _seconds(headers.get("retry-after-ms"))) is not None:
        return ms / 1000
    value = headers.get("retry-after")
    if (seconds := _seconds(value)) is not None:
        return seconds
    until = _http_date(value)
    if until is None:
        return None
    # The provider's own clock, where it tells it, makes a skewed one here harmless.
    at = _http_date(headers.get("date"))
    return max(0.0, until - (now if at is None else at))


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value) if value is not None and len(value) <= 40 else -1.0
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _http_date(value: str | None) -> float | None:
    if not value or len(value) > 60:
        return None
    from email.utils import parsedate_to_datetime  # rarely needed, slow to import

    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
