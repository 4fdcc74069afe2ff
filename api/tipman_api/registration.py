"""Registration: the modules and files whose `@task` functions a server offers."""

import importlib
import sys
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
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InvalidError(f"--tasks {name}: {error}") from None


def _import_file(path: Path) -> None:
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        raise InvalidError(f"--tasks {path}: there is a module {name!r} already; rename the file")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidError(f"--tasks {path}: there is no such file")
    _look_in(path.parent)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
