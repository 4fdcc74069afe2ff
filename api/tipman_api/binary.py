"""The first code of the single program, which is the command line and two helpers in one.

The engine runs its own executable again as the nursery that holds attempts' processes and as the
interpreter of `eval` tasks; both are imported only then, and neither imports the other's world.
"""

import fcntl
import os
import select
import signal
import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

from tipman import bundle

_HELPERS_OF_MULTIPROCESSING = "from multiprocessing."


def main() -> None:
    """Be what the first argument says, by default the command line."""
    _help_multiprocessing(sys.argv[1:])
    bundle.take_variables(os.environ)
    # Where the system has no time zones; Python looks there for its own first.
    sys.path.append(str(Path(sys.prefix, "tzdata.zip")))
    match sys.argv[1:]:
        case ["--nursery", *arguments]:
            _be_nursery(arguments)
        case ["--interpreter", descriptor]:
            _be_interpreter(int(descriptor))
        case _:
            folder = bundle.unpacked()
            if folder is not None:
                _stay_with(bundle.bootloader_of(folder), folder)
            _be_command_line()


def _help_multiprocessing(arguments: list[str]) -> None:
    """Be a process that a user's `multiprocessing` has started, if this is one, and end."""
    match arguments:
        case ["--multiprocessing-fork", *_]:
            sys.meta_path.append(_OwnBundle(sys.path))
            # Not the name one level up, which knows of Windows only.
            from multiprocessing.spawn import freeze_support  # noqa: PLC0415 - few need it

            freeze_support()
        case [*_, "-c", code] if code.startswith(_HELPERS_OF_MULTIPROCESSING):
            sys.meta_path.append(_OwnBundle(sys.path))
            exec(code)  # noqa: S102 - the resource tracker's or the fork server's
            sys.exit()


class _OwnBundle:
    """Finds what this bundle has, also when `multiprocessing` has put another's in its place."""

    def __init__(self, path: list[str]) -> None:
        self._path = [*path]

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Look for a module of the top."""
        return PathFinder.find_spec(name, self._path, target) if path is None else None


def _be_nursery(arguments: list[str]) -> None:
    _bare_packages()
    from tipman.executors import nursery  # noqa: PLC0415 - not for the command line

    nursery.main(arguments)


def _be_interpreter(descriptor: int) -> None:
    _bare_packages()
    from tipman.executors import child  # noqa: PLC0415 - not for the command line

    for name in [name for name in sys.modules if name.partition(".")[0].startswith("tipman")]:
        # The code may have, or want, a module of that name.
        del sys.modules[name]
    # Isolated as it starts, the program would not see what the task declares.
    declared = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [folder for folder in declared if folder]
    child.main(descriptor)


def _bare_packages() -> None:
    """Put the packages in place without running what they import for the engine."""
    for name in ("tipman", "tipman.executors"):
        package = ModuleType(name)
        package.__path__ = [str(Path(sys.prefix, *name.split(".")))]
        sys.modules[name] = package


def _be_command_line() -> None:
    from tipman_api.cli import main as run_command_line  # noqa: PLC0415 - not for the helpers

    run_command_line()


def _stay_with(bootloader: int, folder: Path) -> None:
    """Let this process end when its *bootloader* does, which is the one that people see and kill.

    The engine's end is the end of every task. The folder is kept from those who clear away what
    is old in temporary folders: they leave alone what is locked.
    """
    fcntl.flock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)
    if hasattr(os, "pidfd_open"):
        Thread(target=_follow, args=(bootloader, folder), daemon=True).start()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interruption())


def _follow(bootloader: int, folder: Path) -> None:
    try:
        with suppress(ProcessLookupError):
            death = select.poll()
            death.register(os.pidfd_open(bootloader), select.POLLIN)
            # One that is not the parent any more is dead, and the number may be another's.
            if os.getppid() == bootloader:
                death.poll()
        # Nobody else is left to take the folder away, and this process is about to be gone.
        os.posix_spawn("/bin/rm", ["rm", "-rf", "--", str(folder)], {})
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


class _Interruption:
    """Ctrl-C as Python has it, once a press."""

    def __init__(self) -> None:
        from tipman.clock import SystemClock  # noqa: PLC0415 - not for the helpers

        from tipman_api.presses import ECHO_S, Presses  # noqa: PLC0415 - not for the helpers

        self._presses = Presses(SystemClock(), echo_s=ECHO_S)

    def __call__(self, number: int, _frame: Any) -> None:
        if self._presses.hear(number):
            raise KeyboardInterrupt


if __name__ == "__main__":
    main()
