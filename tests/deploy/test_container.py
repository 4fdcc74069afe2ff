"""The Dockerfile: what it copies is there and enough, and what it starts may start."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from itertools import pairwise
from json import loads
from pathlib import Path

from tipman.settings import load
from tipman_api.exposure import check_exposure

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORED = ROOT / "deploy" / "Dockerfile.dockerignore"
DOCKER_STOPS_AFTER_S = 10


def instructions():
    """Return the instructions, each with its arguments, continued lines put together."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def all_of(name):
    return [arguments for instruction, arguments in instructions() if instruction == name]


def last(name):
    return all_of(name)[-1]


def copied():
    """Return what is copied from the repository."""
    copies = [shlex.split(arguments) for arguments in all_of("COPY")]
    return [source for copy in copies if not copy[0].startswith("--") for source in copy[:-1]]


def environment():
    return dict(pair.split("=", 1) for line in all_of("ENV") for pair in shlex.split(line))


def test_what_it_copies_is_there_and_sent_to_the_builder():
    sent = [line[1:] for line in IGNORED.read_text().splitlines() if line.startswith("!")]

    assert copied()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in sent), source
    assert IGNORED.read_text().splitlines()[0] == "*"


def test_what_it_copies_is_all_that_the_package_is_built_of(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in copied():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)

    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    assert {"tipman/migrations/0001_core.py", "tipman_api/static/docs.html"} <= names
    # The same backend builds it there, without looking for another.
    assert re.search(r"^hatchling==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_stages_are_copied_from_by_their_names():
    stages = {arguments.split(" AS ")[1] for arguments in all_of("FROM") if " AS " in arguments}
    sources = set(re.findall(r"--from=(\S+)", "\n".join(all_of("COPY"))))

    assert sources == stages != set()


def test_it_runs_as_nobody_special_and_keeps_its_home_on_a_volume():
    home = environment()["TIPMAN_HOME"]

    assert last("USER") not in {"root", "0"}
    assert "useradd --system --uid 900 --user-group" in "\n".join(all_of("RUN"))
    assert home.startswith(last("VOLUME") + "/")
    assert last("VOLUME") == last("WORKDIR")


def test_its_settings_are_settings_and_a_stop_fits_into_dockers_patience():
    given = environment()

    settings = load(flags={}, environ=given, toml="")

    assert settings.drain_s + settings.grace_s < DOCKER_STOPS_AFTER_S
    assert last("EXPOSE") == str(settings.port)
    assert "/livez" in last("HEALTHCHECK")
    assert "TIPMAN_PORT" in last("HEALTHCHECK")
    assert "python" in loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert last("STOPSIGNAL") == "SIGTERM"


def test_what_it_starts_is_allowed_to_listen_where_it_does():
    command = loads(last("ENTRYPOINT")) + loads(last("CMD"))

    assert command[:2] == ["tipman", "serve"]
    names = [name for flag, name in pairwise(command) if "-host" in flag]
    check_exposure(
        environment()["TIPMAN_HOST"],
        has_auth="--auth" not in command,
        allows_remote="--allow-remote" in command,
        allowed_hosts=names,
    )
