"""The archive of the sources has all that `make` needs, as a clone has."""

import tarfile
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).parents[2]
NEEDED = {
    "Makefile", "build.spec", "conftest.py", "deploy/Dockerfile", "docs/openapi.json",
    "examples/morning.yaml", "pyproject.toml", "requirements-binary.lock", "requirements-build.in",
    "requirements-dev.lock", "requirements.lock", "tests/test_tidy.py",
}  # fmt: skip


def test_the_archive_of_the_sources_is_as_good_as_a_clone(tmp_path):
    (archive,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path))

    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert names >= NEEDED
    assert not {name for name in names if name.startswith((".venv", ".tipman", "build/", "dist/"))}
