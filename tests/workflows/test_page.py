"""What the page on workflows says is so."""

import re
from pathlib import Path

from cli.program import Program
from tipman.charts import RUN_STATES

PAGE = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SETTLED = """
until tipman show monday | grep -q '^settled.true'; do sleep 0.05; done
"""
AWAITED = """
until tipman list --run monday --state awaiting | grep -q taste; do sleep 0.05; done
"""


def test_every_example_does_what_it_says(tmp_path):
    tipman = Program(tmp_path)
    register, look, repair, ask = SCRIPTS
    # Whoever reads takes longer than the run does.
    touch, retry, approve = repair.splitlines(keepends=True)
    script = "set -e\n" + register + SETTLED + look + touch + retry + AWAITED + approve + SETTLED
    with tipman.start("serve", "--port", "0") as running:
        running.until("Tipman serves")

        ended = tipman.script(script + "tipman show monday\n" + ask)

    assert ended.returncode == 0, ended.stderr + ended.stdout
    shown = dict(line.split("\t") for line in ended.stdout.splitlines() if line.count("\t") == 1)
    assert "failed" in ended.stdout
    assert shown["input"] == '{"flour_g":750}'
    assert shown["state"] == "succeeded"


def test_every_state_of_runs_stands_on_the_page():
    assert [state for state in RUN_STATES if f"`{state}`" not in PAGE] == []
