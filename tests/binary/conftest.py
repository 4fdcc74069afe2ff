"""The frozen program, built by `make binary` when it is older than its sources."""

import os
import shutil
import subprocess
import sysconfig
from ctypes.util import find_library

import pytest
from binary.frozen import PROGRAMS, ROOT, Frozen

BUILDING_S = 600
TOOLS = ("make", "objdump", "strip")


@pytest.fixture(scope="session")
def built():
    """Both forms of the program, up to date."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"the program can not be built without {', '.join(missing)}")
    version = sysconfig.get_config_var("LDVERSION")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED") and not find_library(f"python{version}"):
        pytest.skip(f"this Python has no shared library (libpython{version}) to be bundled")
    # A `make` above this one would have its own ideas about how many jobs there are.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    building = subprocess.run(
        ["make", "binary"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=BUILDING_S,
        check=False,
    )
    assert building.returncode == 0, building.stdout + building.stderr
    return PROGRAMS


@pytest.fixture(params=["file", "folder"])
def tipman(built, request, tmp_path):
    """The program in either form, in a folder of its own."""
    return Frozen(built[request.param], tmp_path)


@pytest.fixture
def one_file(built, tmp_path):
    """The program that is one file: two processes, and a temporary folder."""
    return Frozen(built["file"], tmp_path)
