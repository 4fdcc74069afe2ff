"""The systemd unit: it fits the program that it starts, and lets it do no more than it must."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
from tipman.settings import Settings
from tipman_api.exits import ExitCode

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "deploy" / "tipman.service"
EXPOSURE_MAX = 30
"""In tenths: 3.0 of 10."""


@pytest.fixture
def service():
    """The section of the service."""
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(UNIT.read_text())
    return unit["Service"]


def test_a_stop_has_the_time_that_the_engine_takes(service):
    settings = Settings()

    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > settings.drain_s + settings.grace_s


def test_what_does_not_get_better_is_not_started_again(service):
    assert service["Restart"] == "on-failure"
    assert set(map(int, service["RestartPreventExitStatus"].split())) == {
        ExitCode.INVALID,
        ExitCode.HELD,
    }


def test_a_task_that_takes_all_memory_does_not_take_the_engine_along(service):
    assert service["OOMPolicy"] == "continue"
    assert int(service["TasksMax"]) > 0


def test_home_and_working_folder_lie_in_the_only_place_that_can_be_written(service):
    state = f"/var/lib/{service['StateDirectory']}"

    assert service["ProtectSystem"] == "strict"
    assert service["WorkingDirectory"] == state
    assert service["Environment"].startswith(f"TIPMAN_HOME={state}/")
    assert service["StateDirectoryMode"] == "0700"


@pytest.mark.parametrize(
    "protection",
    ["NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID"],
)
def test_it_gives_away_no_more_than_it_must(service, protection):
    assert service[protection] == "yes"


@pytest.fixture
def unit(tmp_path):
    """The unit with a program that is there, for those who check it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/tipman/tipman", "/bin/true"))
    return path


def analyze(*arguments):
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_systemd_understands_every_line_of_it(unit):
    verified = analyze("verify", unit)

    assert (verified.returncode, verified.stderr) == (0, "")


def test_systemd_calls_its_exposure_ok(unit):
    judged = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)
    if "unrecognized option" in judged.stderr:
        pytest.skip("this systemd-analyze judges no files")

    assert judged.returncode == 0, judged.stdout
