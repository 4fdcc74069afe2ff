"""Registration: the modules and files whose `@task` functions a server offers."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from tipman.errors import InvalidError


def import_tasks(name: str) -> None:
    """Import a module, or a file (`NAME.py`) as one, so that its tasks are registered.

    Its folder is looked at last, so that nothing in it can stand in for what others import.

    Raises:
        InvalidError: there is no such module or file.
    """
    path = Path(name)
    if path.suffix == ".py":
        _import_file(path.resolve())
        return
    _look_in(Path.cwd())
    with _blaming(name):
        importlib.import_module(name)


def _import_file(path: Path) -> None:
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        raise InvalidError(f"--tasks {path}: there is a module {name!r} already; rename the file")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidError(f"--tasks {path}: there is no such file")
    _look_in(path.parent)
    module = sys.modules[name] = module_from_spec(spec)
    with _blaming(str(path)):
        spec.loader.exec_module(module)


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Let what somebody else's code raises be their error, with its place."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it is somebody else's code, and they must be told
        trace = "".join(traceback.format_exception(error))
        raise InvalidError(f"--tasks {name} can not be imported:\n{trace}") from None


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
