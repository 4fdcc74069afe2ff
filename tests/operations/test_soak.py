"""A soak: far more tasks than are kept, after which file and memory have stopped growing.

`make soak` runs it with 200,000 tasks of which 10,000 are kept.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tipman.pruning import tombstone
from tipman.runtime import Engine

PROGRAM = Path(__file__).with_name("soak.py")
TASKS = int(os.environ.get("TIPMAN_TEST_SOAK_TASKS", "6000"))
KEPT = TASKS // 20
GROWTH_MAX = 1.1
MIB = 1024**2


def soaked(folder, tasks, kept):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), str(tasks), str(kept)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def peak(samples, what):
    return max(sample[what] for sample in samples)


def test_file_and_memory_reach_a_plateau_when_the_oldest_are_pruned(tmp_path):
    samples = soaked(tmp_path / "kept", TASKS, KEPT)

    early = [sample for sample in samples if sample["done"] <= TASKS // 2]
    late = [sample for sample in samples if sample["done"] > TASKS // 2]
    assert late[-1]["settled"] == KEPT
    assert late[-1]["whole"] is True
    assert peak(late, "settled") < 2.5 * KEPT
    assert peak(late, "bytes") <= GROWTH_MAX * peak(early, "bytes")
    assert peak(late, "wal") <= max(GROWTH_MAX * peak(early, "wal"), 16 * MIB)
    assert peak(late, "rss") <= GROWTH_MAX * peak(early, "rss") + 4 * MIB


def test_without_pruning_the_file_grows(tmp_path):
    samples = soaked(tmp_path / "all", 4 * KEPT // 500 * 500 or 500, 10 * TASKS)

    assert samples[-1]["settled"] == samples[-1]["done"]
    assert samples[-1]["bytes"] > 1.5 * samples[0]["bytes"]


def test_a_kill_while_pruning_leaves_every_family_whole(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for samples in (3, 5, 4):
        command = [sys.executable, str(PROGRAM), str(tmp_path / "home"), "100000", "100"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as child:
            for _ in range(samples):
                assert child.stdout.readline()
            child.kill()

    with Engine(home=tmp_path / "home", retention_tasks_max=100) as engine:
        engine.prune()
        assert engine.verify().faults == []
        with engine.reading() as database:
            assert tombstone(database) is not None
