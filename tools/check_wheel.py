"""Check a built wheel: its contents are the package and nothing else, and it imports alone.

Usage: ``python tools/check_wheel.py FOLDER`` with one wheel and one sdist in it.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = Path("src/trunkline")
IMPORT = """
import importlib.metadata, pathlib, trunkline
home = pathlib.Path(trunkline.__file__).parent
assert (home / "py.typed").is_file(), "py.typed is missing"
assert importlib.metadata.version("trunkline") == trunkline.__version__
for name in trunkline.__all__:
    getattr(trunkline, name)
print("imported", trunkline.__version__, "with", len(trunkline.__all__), "names")
"""


def source_files() -> set[str]:
    """List what the wheel must hold: every file of the package but caches."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file())
    return {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in files
        if "__pycache__" not in path.parts
    }


def check_contents(wheel: Path) -> None:
    """Compare the wheel with the source; fail for anything missing or extra."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    meta = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    missing, extra = source_files() - names, names - meta - source_files()
    if missing or extra:
        sys.exit(f"{wheel.name}: missing {sorted(missing)}, extra {sorted(extra)}")
    for needed in ("LICENSE", "NOTICE"):
        if not any(name.endswith(f"licenses/{needed}") for name in meta):
            sys.exit(f"{wheel.name}: no {needed}")
    print(wheel.name, "holds", len(names), "files")


def check_sdist(sdist: Path) -> None:
    """Fail if the source archive lacks what a packager needs."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "noxfile.py", "constraints.txt"}
    if missing := needed - names:
        sys.exit(f"{sdist.name}: missing {sorted(missing)}")


def check_import(wheel: Path) -> None:
    """Install the wheel with its dependencies only, and import every public name."""
    with tempfile.TemporaryDirectory() as folder:
        # Not venv: distributions ship Python without the ensurepip that it needs.
        subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "-c", "constraints.txt", str(wheel)]
        subprocess.run(pip, check=True)
        subprocess.run([python, "-I", "-W", "error", "-c", IMPORT], check=True, cwd=folder)


def main() -> None:
    """Check the one wheel and the one sdist in the folder given."""
    out = Path(sys.argv[1]).resolve()
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    check_contents(wheel)
    check_sdist(sdist)
    check_import(wheel)


if __name__ == "__main__":
    main()
