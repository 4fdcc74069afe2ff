"""Environments: where ours and the peers are installed, apart from each other.

Ours has the dependencies of the core and nothing else: what a user adds, such as the driver of
another database, would be in its memory too. Both stay between runs, under `build/`.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
_PEERS = ROOT / "benchmarks" / "requirements-peers.txt"


def ours() -> Path:
    """Return the interpreter that has this checkout installed, as it is now."""
    sources = [ROOT / "pyproject.toml"]
    for package in ("engine", "api"):
        sources += sorted(path for path in (ROOT / package).rglob("*.py") if path.is_file())
    return _environment(BUILD / "bench-venv", ["--force-reinstall", str(ROOT)], sources)


def peers() -> Path:
    """Return the interpreter that has the peers, at the versions that are pinned."""
    return _environment(BUILD / "peers", ["--requirement", str(_PEERS)], [_PEERS])


def _environment(folder: Path, install: list[str], sources: Iterable[Path]) -> Path:
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = _digest(sources)
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return python
    print(f"installing into {folder.relative_to(ROOT)} …", file=sys.stderr, flush=True)
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, *install], check=True)
    stamp.write_text(wanted, encoding="ascii")
    return python


def _digest(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in sources:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()
