"""A map of 10,000 items: what failed can be tried again, and nothing else is touched."""

from collections import Counter

import pytest
from tipman.executors.functions import Registry
from tipman.runtime import Engine
from tipman.settings import Settings

ITEMS = 10_000
EVERY = 100
PATIENCE_S = 100


def is_bad(item):
    return item % EVERY == EVERY - 1


class Shop:
    """Works on items; bad ones fail until it is mended."""

    def __init__(self):
        self.registry = Registry()
        self.worked = Counter()
        self.is_mended = False
        self.registry.task(self.work)

    def work(self, item):
        self.worked[item] += 1
        if is_bad(item) and not self.is_mended:
            raise ValueError("broken")
        return item + 1


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def engine(tmp_path, shop):
    settings = Settings(home=tmp_path, slots=64, durability="normal")
    with Engine(settings=settings, tasks=shop.registry) as engine:
        yield engine


def test_of_a_large_map_only_what_failed_is_done_again(engine, shop):
    each = {"type": "inline", "arguments": {"task": "work", "args": {"item": "{item}"}}}
    arguments = {"over": [*range(ITEMS)], "task": each, "failures_max": "1%"}
    run = engine.run_workflow(
        {"name": "many", "tasks": [{"name": "each", "type": "map", "arguments": arguments}]}
    )
    map_ = run.tasks["each"]
    first = map_.wait(PATIENCE_S).result
    once = Counter(shop.worked)

    shop.is_mended = True
    engine.retry(map_)
    second = map_.wait(PATIENCE_S).result

    assert first == [None if is_bad(item) else item + 1 for item in range(ITEMS)]
    assert once == Counter(range(ITEMS))
    assert second == [item + 1 for item in range(ITEMS)]
    assert shop.worked - once == Counter(item for item in range(ITEMS) if is_bad(item))
