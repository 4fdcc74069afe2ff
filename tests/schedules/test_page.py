"""What the page on schedules says is so."""

import re
from pathlib import Path

import pytest
from cli.program import Program
from tipman.definitions.schedules import CatchUp, Schedule
from tipman.schedules.decisions import Reason
from tipman_api.schedule_operations import COMPONENTS

PAGE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
SCRIPT = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
REASONS = [value for name, value in vars(Reason).items() if name.isupper()]


def test_every_example_does_what_it_says(tmp_path):
    tipman = Program(tmp_path)
    with tipman.start("serve", "--port", "0") as running:
        running.until("Tipman serves")
        url = running.stdout[0].rpartition(" ")[2]

        ended = tipman.script("set -e\n" + SCRIPT.replace("http://127.0.0.1:8000", url))

    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "nap" in ended.stdout


@pytest.mark.parametrize("field", [*Schedule.model_fields, *CatchUp.model_fields])
def test_every_field_stands_on_the_page(field):
    assert f"`{field}`" in PAGE or f'"{field}"' in PAGE


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_stands_on_the_page(reason):
    assert f"| `{reason}` |" in PAGE


def test_the_document_of_the_api_has_every_field():
    assert COMPONENTS["ScheduleBody"]["properties"].keys() == Schedule.model_fields.keys()
    shown = COMPONENTS["Schedule"]["properties"].keys()
    assert Schedule.model_fields.keys() <= shown
