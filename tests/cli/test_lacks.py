"""What the machine lacks: said in a line, and no fault of the program."""

import threading

from cli.program import shell, write_workflow
from tipman_api.cli import exit_code_of_command


def test_a_current_folder_that_is_gone_is_named(tipman):
    file = write_workflow(tipman.folder / "a.yaml", shell("a", "true"))

    ended = tipman.script(f"mkdir gone; cd gone; rmdir ../gone; tipman run {file}")

    assert (ended.returncode, ended.stderr) == (70, "tipman: the current folder is gone\n")


def test_a_system_that_gives_no_thread_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    file = write_workflow(tmp_path / "a.yaml", shell("a", "true"))
    monkeypatch.chdir(tmp_path)
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "tipman-bus":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    code = exit_code_of_command(["run", str(file)])

    assert (code, capsys.readouterr().err) == (70, "tipman: the system gives no more threads\n")
