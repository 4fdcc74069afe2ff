"""The frozen program seen from inside: what its bootloader set up, and how it runs itself again.

The bootloader of a one-file program unpacks the bundle into a folder, starts the program anew from
there, and waits to take the folder away: two processes, of which people see the first. It speaks
to the second by environment variables, and gives it the bundle's libraries by `LD_LIBRARY_PATH`.

Source: PyInstaller manual, "Run-time Information", "LD_LIBRARY_PATH / LIBPATH considerations" and
"Launching external programs from the frozen application".
"""

import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

_PREFIX = "_PYI_"
_LIBRARIES = "LD_LIBRARY_PATH"
_USERS_LIBRARIES = "LD_LIBRARY_PATH_ORIG"
# Of `_MEI0000beefXXXXXX`, the name of the folder of a one-file program.
_PID = slice(4, 12)

_own: dict[str, str] = {}


def is_frozen() -> bool:
    """Tell whether this is the program that PyInstaller made, and no Python with our modules."""
    return hasattr(sys, "_MEIPASS")


def unpacked() -> Path | None:
    """Return the temporary folder of a one-file program; None if this is none."""
    folder = Path(getattr(sys, "_MEIPASS", sys.prefix))
    return folder if is_frozen() and folder.name.startswith("_MEI") else None


def bootloader_of(unpacked: Path) -> int:
    """Return the process that unpacked the bundle, which bears it in the folder's name.

    >>> bootloader_of(Path("/tmp/_MEI00002f31ucwb56"))
    12081
    """
    return int(unpacked.name[_PID], 16)


def take_variables(environ: MutableMapping[str, str]) -> None:
    """Take what the bootloader set out of *environ*, for no other program is to inherit it.

    The user's own library path comes back. All of it is kept for `rerun_environment`.
    """
    own = [name for name in environ if name.startswith(_PREFIX) or name == _LIBRARIES]
    for name in own if is_frozen() else ():
        _own[name] = environ.pop(name)
    if is_frozen() and _USERS_LIBRARIES in environ:
        environ[_LIBRARIES] = environ.pop(_USERS_LIBRARIES)


def rerun_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return *environment* as this program needs it to run itself from what is unpacked already.

    It sees *environment* again once it has called `take_variables`.
    """
    rerun = {**environment, **_own}
    if _LIBRARIES in _own and _LIBRARIES in environment:
        users = rerun[_USERS_LIBRARIES] = environment[_LIBRARIES]
        rerun[_LIBRARIES] = f"{_own[_LIBRARIES]}:{users}"
    return rerun
