"""Completion scripts, read by the shells they are for."""

import shutil
import subprocess
import sys

import pytest
from tipman_api.cli import cli, exit_code_of_command
from tipman_api.program import SECTIONS

COMMANDS = [name for section in SECTIONS.values() for name in section]


def completed(tmp_path, *words):
    """Let bash complete the last word of a line; return what it offers."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    program = tmp_path / "tipman"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tipman_api "$@"\n')
    program.chmod(0o755)
    line = (
        'eval "$(tipman completion bash)"\n'
        f"COMP_WORDS=({' '.join(repr(word) for word in words)})\n"
        f"COMP_CWORD={len(words) - 1}\n"
        "_tipman_completion tipman\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    ended = subprocess.run(
        [bash, "--norc", "-c", line],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stderr == ""
    return ended.stdout.split()


def test_bash_completes_commands_and_options(tmp_path):
    assert completed(tmp_path, "tipman", "su") == ["submit", "suspend"]
    assert completed(tmp_path, "tipman", "namespace", "c") == ["create", "change"]
    assert "--watch" in completed(tmp_path, "tipman", "list", "--")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["submit", "ev"], ["eval"]),
        (["submit", "exec", "ev"], []),
        (["list", "--state", "su"], ["succeeded", "suspended"]),
        (["list", "--type", "co"], ["counter"]),
        (["send", "pack", "fi"], ["finish.reported"]),
    ],
)
def test_bash_completes_what_stands_in_a_list(tmp_path, words, offered):
    assert completed(tmp_path, "tipman", *words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(shell, capfd):
    assert exit_code_of_command(["completion", shell]) == 0

    assert f"_TIPMAN_COMPLETE={shell}_complete" in capfd.readouterr().out


def test_another_shell_is_refused(capfd):
    assert exit_code_of_command(["completion", "csh"]) == 2

    assert "csh" in capfd.readouterr().err


def test_every_command_can_be_completed():
    assert [*cli.list_commands(None)] == COMMANDS
