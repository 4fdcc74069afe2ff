"""The frozen program where others have laid traps, and what it hands on to those it starts."""

import json
import shutil
import subprocess
import sys

import pytest
from cli.program import shell, write_workflow

# The first of them may have to wait until the program is built.
pytestmark = [pytest.mark.binary, pytest.mark.timeout(900)]

TRAPS = (
    "api",
    "engine",
    "tipman",
    "tipman_api",
    "click",
    "sqlite3",
    "asyncio",
    "encodings",
)
TRAP_FILES = ("sitecustomize.py", "usercustomize.py", "site.py", "typing.py", "peewee.py")


@pytest.fixture
def trapped(tipman):
    """The program in a folder full of modules that give themselves away."""
    spring = f"open({str(tipman.folder / 'sprung')!r}, 'a').write(__name__ + ' ')\n"
    for name in TRAPS:
        (tipman.folder / name).mkdir()
        (tipman.folder / name / "__init__.py").write_text(spring)
    for name in TRAP_FILES:
        (tipman.folder / name).write_text(spring)
    return tipman


def variables(folder):
    return {
        "PYTHONPATH": str(folder),
        "PYTHONHOME": str(folder),
        "PYTHONSTARTUP": str(folder / "site.py"),
        "PYTHONINSPECT": "1",
        "HOME": str(folder),
    }


def test_nothing_that_lies_around_is_imported(trapped):
    with trapped.serving(**variables(trapped.folder)) as server:
        done = server.submit(type="exec", arguments="true")
        listed = trapped("list", **variables(trapped.folder))

    assert done["state"] == "succeeded"
    assert (listed.returncode, listed.stderr) == (0, "")
    assert not (trapped.folder / "sprung").exists()


def test_the_traps_spring_for_whoever_looks_around(trapped):
    env = {"PYTHONPATH": str(trapped.folder)}
    # With these it does not even start.
    for name in ("encodings", "asyncio"):
        shutil.rmtree(trapped.folder / name)
    for name in ("site.py", "typing.py"):
        (trapped.folder / name).unlink()
    subprocess.run([sys.executable, "-c", "import tipman"], env=env, check=True)

    sprung = (trapped.folder / "sprung").read_text().split()
    assert {"sitecustomize", "tipman"} <= set(sprung)


def test_code_is_started_clean_and_finds_its_folder_as_with_any_python(trapped):
    (trapped.folder / "ours.py").write_text("value = 5\n")
    code = "import ours, os, sys\nresult = [ours.value, 'site' in sys.modules]"
    with trapped.serving(**variables(trapped.folder)) as server:
        done = server.submit(type="eval", arguments=code)

    assert done["result"] == [5, False], done["error"]
    assert not (trapped.folder / "sprung").exists()


def test_without_python_only_python_tasks_fail_and_say_what_to_do(tipman):
    tools = tipman.folder / "tools"
    tools.mkdir()
    with tipman.serving(PATH=str(tools)) as server:
        line = server.submit(type="exec", arguments="echo here")
        code = server.submit(type="eval", arguments="result = 1 + 1")
        call = server.submit(type="python", arguments={"call": "os:getcwd"})

    assert (line["state"], code["result"]) == ("succeeded", 2)
    assert (call["state"], call["error"]["code"]) == ("failed", "interpreter")
    assert "python3" in call["error"]["message"]
    assert "`python`" in call["error"]["message"]


def test_no_child_inherits_the_bundle(tipman):
    tasks = tipman.folder / "functions.py"
    tasks.write_text(
        "import os\nfrom tipman import task\n\n@task\ndef mine():\n    return dict(os.environ)\n"
    )
    given = {"LD_LIBRARY_PATH": "/opt/mine", "TIPMAN_TOKEN_OF_TEST": "secret"}
    show = "import os\nresult = dict(os.environ)"
    with tipman.serving("--tasks", str(tasks), LD_LIBRARY_PATH=given["LD_LIBRARY_PATH"]) as server:
        inline = server.submit(type="inline", arguments={"task": "mine"})["result"]
        code = server.submit(type="eval", arguments=show)["result"]
        asked = server.submit(type="eval", arguments=show, env={"LD_LIBRARY_PATH": "/opt/a"})
        line = server.submit(type="exec", arguments='env > "$TIPMAN_RESULT.txt"; cat /dev/null')
        path = next((tipman.folder / ".tipman").glob("attempts/*/*/result.json.txt"))
        seen = dict(text.split("=", 1) for text in path.read_text().splitlines())

    assert line["state"] == "succeeded"
    # Of our own process: the user's, as it was.
    assert inline["LD_LIBRARY_PATH"] == "/opt/mine"
    assert asked["result"]["LD_LIBRARY_PATH"] == "/opt/a"
    assert "LD_LIBRARY_PATH" not in code
    assert "LD_LIBRARY_PATH" not in seen
    for environment in (inline, code, asked["result"], seen):
        assert [name for name in environment if name.startswith("_PYI")] == []
        assert "_MEI" not in json.dumps(environment)


def test_what_a_task_declares_as_its_pythons_path_is_looked_at(tipman):
    library = tipman.folder / "library"
    library.mkdir()
    (library / "declared.py").write_text("value = 7\n")
    code = "import declared\nresult = declared.value"
    with tipman.serving() as server:
        done = server.submit(type="eval", arguments=code, env={"PYTHONPATH": str(library)})

    assert done["result"] == 7, done["error"]


def test_a_run_leaves_no_file_but_those_of_its_tasks(tipman):
    file = write_workflow(tipman.folder / "w.yaml", shell("only", "touch made"))

    assert tipman("run", file).returncode == 0

    assert sorted(path.name for path in tipman.folder.iterdir()) == ["made", "w.yaml"]
    assert tipman.left == []
