"""The first code of the nursery's process: it makes our modules importable, and little else.

The nursery must be small and start fast, so the packages `tipman` and `tipman.executors` are put
in place by path, without running what they import for the engine.
"""

import sys
from types import ModuleType


def _bare_package(name: str, folder: str) -> None:
    package = ModuleType(name)
    package.__path__ = [folder]
    sys.modules[name] = package


def main(arguments: list[str]) -> None:
    """Run the nursery; *arguments* are its socket, the engine's process id and its reach."""
    # Imported here, because it can be found only when the packages are in place.
    from tipman.executors import nursery  # noqa: PLC0415

    nursery.main(arguments)


if __name__ == "__main__":
    _here = __file__.rpartition("/")[0]
    _bare_package("tipman", _here.rpartition("/")[0])
    _bare_package("tipman.executors", _here)
    main(sys.argv[1:])
