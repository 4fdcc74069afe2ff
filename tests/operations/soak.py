"""Run as a program: settles many tasks, keeps few, and prints a sample as JSON now and then."""

import json
import sys
from pathlib import Path

import psutil
from tipman.executors.functions import Registry
from tipman.figures import size_of
from tipman.pruning import settled_count
from tipman.runtime import Engine

BATCH = 500
SAMPLES = 200


def main(folder, tasks, kept):
    registry = Registry()
    echo = registry.task(name="echo")(lambda value=None: value)
    home = Path(folder)
    settings = {"durability": "normal", "retention_tasks_max": kept, "slots": 4}
    with Engine(home=home, tasks=registry, **settings) as engine:
        for done in range(BATCH, tasks + 1, BATCH):
            calls = [{"value": f"{done} {n}"} for n in range(BATCH)]
            for handle in engine.submit_many(echo, calls):
                handle.wait(60)
            if done % max(tasks // SAMPLES // BATCH * BATCH, BATCH) == 0:
                say(sample(engine, done))
        engine.prune()
        say({**sample(engine, tasks), "whole": engine.verify().is_whole})


def say(values):
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def sample(engine, done):
    with engine.reading() as database:
        size = size_of(database)
        return {
            "done": done,
            "settled": settled_count(database),
            "bytes": size.database,
            "wal": size.log,
            "rss": psutil.Process().memory_info().rss,
        }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
