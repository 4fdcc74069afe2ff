"""What the page on the command line says is so."""

import json
import re
from pathlib import Path

import click
import pytest
from tipman_api.cli import cli
from tipman_api.exits import ExitCode
from tipman_api.report import Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
TIMES = re.compile(r" *\d+\.\d\d s")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_prints_what_the_page_says(tipman):
    (tipman.folder / "tea.yaml").write_text(blocks("yaml")[0])

    ended = tipman("run", "tea.yaml", "--param", "cups=3")

    assert TIMES.sub(" T", ended.stdout) == TIMES.sub(" T", blocks("text")[0])
    assert ended.returncode == 1


def test_the_json_of_the_example_has_the_shape_that_the_page_shows(tipman):
    (tipman.folder / "tea.yaml").write_text(blocks("yaml")[0])
    shown_line, shown_report = map(json.loads, blocks("json"))

    *lines, report = map(json.loads, tipman("run", "tea.yaml", "--json").stdout.splitlines())

    line = next(line for line in lines if line["name"] == "attempt.succeeded")
    assert [*line] == [*shown_line]
    assert [*report] == [*shown_report]
    assert [*report["tasks"][0]] == [*shown_report["tasks"][0]]
    assert report["counts"] == shown_report["counts"]


def all_commands():
    """Yield every command with what stands before its options: `namespace list`."""
    for name in cli.list_commands(None):
        command = cli.get_command(None, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", one) for below, one in command.commands.items())
        else:
            yield name, command


@pytest.mark.parametrize(("name", "command"), [*all_commands()])
def test_every_command_and_option_stands_on_the_page(name, command):
    options = [p.opts[0] for p in command.params if isinstance(p, click.Option)]

    assert f"`tipman {name}" in PAGE
    assert [option for option in options if f"| `{option}" not in PAGE] == []


def test_every_exit_code_stands_on_the_page():
    documented = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)

    assert [*map(int, documented)] == [int(code) for code in ExitCode]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_stands_on_the_page(outcome):
    assert f"`{outcome}`" in PAGE
