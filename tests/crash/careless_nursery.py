"""A nursery whose keepers and which itself go without killing what is below them.

Only a negative control runs it. Like the real one it is started as a program of its own.
"""

import runpy
import sys
from importlib import import_module
from pathlib import Path

EXECUTORS = Path(__file__).parents[2] / "engine" / "tipman" / "executors"


def main():
    bootstrap = runpy.run_path(str(EXECUTORS / "bootstrap.py"))
    bootstrap["_bare_package"]("tipman", str(EXECUTORS.parent))
    bootstrap["_bare_package"]("tipman.executors", str(EXECUTORS))
    descendants = import_module("tipman.executors.descendants")
    for reach in descendants.REACHES.values():
        reach.end_below = lambda _self, _leader: None
    import_module("tipman.executors.nursery").main(sys.argv[1:])


if __name__ == "__main__":
    main()
