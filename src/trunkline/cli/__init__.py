"""The ``trunkline`` command. Decides only whether its extra is there; the commands are in ``app``.

The script is installed with the package, typer and rich are not: without them it says how to get
them.
"""

from __future__ import annotations

import sys

from trunkline._version import __version__

HINT = 'trunkline: the command line needs its extra: python -m pip install "trunkline[cli]"'
_EXTRA = ("typer", "rich")


def main() -> None:
    """Run the command line; exit 2 with a hint where the extra is missing."""
    if sys.argv[1:] == ["--version"]:
        print(f"trunkline {__version__}")
        return
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(HINT, file=sys.stderr)
        sys.exit(2)
    app()
