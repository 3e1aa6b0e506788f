"""The logger: silent unless the application, or ``TRUNKLINE_LOG=info|debug``, wants to hear it."""

from __future__ import annotations

import logging
import os

LOG = logging.getLogger("trunkline")
LOG.addHandler(logging.NullHandler())


def listen(level: str | None) -> None:
    """Write to stderr from ``level`` on; an unknown level is taken for ``info``."""
    if not level:
        return
    LOG.setLevel(logging.DEBUG if level.strip().lower() == "debug" else logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)


listen(os.environ.get("TRUNKLINE_LOG"))
