from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.errors import StorageError
from trunkline.storage import _places
from trunkline.storage.database import Database

LOCAL = "/dev/sda1 / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n"


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "mounts"
    table.write_text(LOCAL)
    monkeypatch.setattr(_places, "MOUNTS", table)
    return table


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.rclone", "lustre"]
)
def test_D7_a_store_on_a_network_file_system_is_refused_and_nothing_made(
    mounted: Path, tmp_path: Path, kind: str
) -> None:
    share = tmp_path / "the share"
    share.mkdir()
    point = str(share).replace(" ", r"\040")
    mounted.write_text(f"{LOCAL}server:/x {point} {kind} rw 0 0\n")

    with pytest.raises(StorageError, match=rf"network file system \({kind}\).*local disk"):
        Database(str(share / "new" / "s.db")).write(lambda _: None)

    assert list(share.iterdir()) == []


def test_D7_a_link_onto_a_share_is_followed(mounted: Path, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "share")
    mounted.write_text(f"{LOCAL}server:/x {tmp_path}/share nfs rw 0 0\n")

    with pytest.raises(StorageError, match="nfs"):
        Database(str(tmp_path / "link" / "s.db")).write(lambda _: None)


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "server:/x {}/elsewhere nfs rw 0 0\n",
        "server:/x {}-beside nfs rw 0 0\n",
        "server:/x {} nfs rw 0 0\n/dev/sdb {} xfs rw 0 0\n",
        "server:/x / nfs rw 0 0\n/dev/sdb {} xfs rw 0 0\n",
        "share {} virtiofs rw 0 0\n",
        "none / 9p rw 0 0\n",
        "torn\n\n",
    ],
)
def test_D7_a_store_on_a_local_disk_is_opened(mounted: Path, tmp_path: Path, lines: str) -> None:
    mounted.write_text(LOCAL.partition("\n")[0] + "\n" + lines.format(tmp_path, tmp_path))
    database = Database(str(tmp_path / "s.db"))

    assert database.write(lambda c: c.execute("SELECT 1").fetchone()) == (1,)

    database.close()


def test_D7_without_a_mount_table_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_places, "MOUNTS", tmp_path / "none")

    _places.refuse_network(str(tmp_path / "s.db"))
