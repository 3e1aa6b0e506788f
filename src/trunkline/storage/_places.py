"""Where a store may lie: not on a network file system, where its locks and its log do not hold.

Reads the kernel's mount table; where there is none (away from Linux) nothing is known and nothing
refused. SQLite itself still refuses where shared memory does not work at all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from trunkline.errors import StorageError

MOUNTS = Path("/proc/self/mounts")
# Several machines may write to these, and a write-ahead log's shared memory is one machine's.
_NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "blobfuse", "blobfuse2", "ceph", "cifs", "davfs", "gcsfuse"}
    | {"glusterfs", "gpfs", "lustre", "nfs", "nfs4", "rclone", "s3fs", "smb3", "smbfs", "sshfs"}
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def refuse_network(path: str) -> None:
    """Let a path on a local disk pass.

    Raises:
        StorageError: It lies on a file system that is shared over a network.
    """
    kind = _kind_of(os.path.realpath(path))
    if kind is not None:
        raise StorageError(
            f"the store {path} lies on a network file system ({kind}), where SQLite's write-ahead"
            " log does not work; put it on a local disk: store=... or TRUNKLINE_STORE"
        )


def _kind_of(path: str) -> str | None:
    """Return the kind of network file system a path lies on, ``None`` for any other."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    longest, kind = "", ""
    for line in lines:
        _, point, found, *_ = (*line.split(" "), "", "", "")
        point = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), point)
        # Of two mounts on one point the later one is on top.
        if len(point) >= len(longest) and _is_below(path, point):
            longest, kind = point, found
    # A sandbox may show its whole disk as a 9p root, shared with nobody.
    is_network = kind.removeprefix("fuse.") in _NETWORK and (kind, longest) != ("9p", "/")
    return kind if is_network else None


def _is_below(path: str, point: str) -> bool:
    return bool(point) and f"{path}/".startswith(point.rstrip("/") + "/")
