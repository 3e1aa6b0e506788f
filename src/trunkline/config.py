"""Where settings come from: argument, then environment, then the TOML file somebody named.

No file is read unasked: a checked-out repository must not be able to set a ``base_url``.
"""

from __future__ import annotations

import errno
import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trunkline.errors import ConfigurationError

MAX_BYTES = 1 << 20


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class ObjectiveTable(_Table):
    """``[objective]``."""

    quality: float = 1.0
    cost: float = 0.2
    latency: float = 0.0
    cost_ref_usd: Decimal | None = None
    latency_ref_s: float | None = None
    min_quality: float | None = None
    max_cost_usd: Decimal | None = None
    max_latency_s: float | None = None


class ModelTable(_Table):
    """One of ``[[models]]``."""

    id: str
    input_usd_per_m: Decimal | None = None
    output_usd_per_m: Decimal | None = None
    cached_input_usd_per_m: Decimal | None = None
    cache_write_usd_per_m: Decimal | None = None
    context: int | None = None
    max_output: int | None = None
    supports: list[str] | None = None
    quality: float | None = None


class ProviderTable(_Table):
    """One of ``[[providers]]``; the key stays in the environment, under ``api_key_env``."""

    kind: str
    name: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None


class Config(_Table):
    """A configuration file: the Router's own arguments, and tables for what is nested."""

    models: list[str | ModelTable] | None = None
    aliases: dict[str, list[str]] = Field(default_factory=dict)
    baseline: str | None = None
    policy: Literal["learned", "cheapest", "fastest", "baseline"] | None = None
    fallbacks: list[str] | None = None
    team: str | None = None
    user: str | None = None
    tags: dict[str, str] | None = None
    store: str | None = None
    max_output_tokens: int | None = None
    unpriced: Literal["refuse", "allow"] | None = None
    drop_params: bool | None = None
    timeout: float | None = None
    deadline_s: float | None = None
    max_retries: int | None = None
    durability: Literal["normal", "full"] | None = None
    seed: int | None = None
    objective: ObjectiveTable | None = None
    providers: list[ProviderTable] | None = None


def load(path: str | os.PathLike[str]) -> Config:
    """Read a TOML file; money in it is exact.

    Raises:
        ConfigurationError: The file cannot be read, is no TOML, too large, or has a wrong key.
    """
    file = Path(path)
    try:
        content = tomllib.loads(_text(file), parse_float=_exact)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors are both ValueErrors
        raise ConfigurationError(f"{file} is no valid TOML: {error}") from None
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{file}: {where}: {first['msg']}") from None


def given(config: BaseModel, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a table sets, so that silence means the Router's own default."""
    return {
        name: value
        for name in type(config).model_fields
        if name not in without and (value := getattr(config, name)) is not None
    }


def _text(file: Path) -> str:
    if file.stat().st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES} bytes")
    return file.read_text(encoding="utf-8")


def _exact(text: str) -> Decimal:
    return Decimal(text)
