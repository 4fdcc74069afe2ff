"""`tipman serve`: an engine and its server in one process, from the first signal to the last."""

import importlib
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import uvicorn
from tipman.errors import InvalidError
from tipman.runtime import Engine
from tipman.settings import Settings

from tipman_api.app import create_app
from tipman_api.configuration import settings_here
from tipman_api.exits import ExitCode
from tipman_api.outlet import Outlet

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `tipman serve` was asked, apart from the settings."""

    tasks: tuple[str, ...] = ()
    has_auth: bool = True
    is_remote: bool = False
    allowed_hosts: tuple[str, ...] = ()


def serve_command(given: dict[str, Any], outlet: Outlet) -> ExitCode:
    """Serve as the command line asked; the arguments of `serve` by the names of its options."""
    names = ("host", "port", "home", "database", "slots")
    settings = settings_here(flags={name: given[name] for name in names})
    options = ServeOptions(
        tasks=given["tasks"],
        has_auth=given["auth"] == "on",
        is_remote=given["allow_remote"],
        allowed_hosts=given["allowed_hosts"],
    )
    return serve(options, settings, outlet)


def serve(options: ServeOptions, settings: Settings, outlet: Outlet) -> ExitCode:
    """Serve until a signal or the engine ends it.

    Raises:
        EngineRunningError: another engine holds the database.
        InvalidError: a setting, the address or a module of tasks can not be used.
    """
    for name in options.tasks:
        import_tasks(name)
    listener = listen(settings.host, settings.port)
    engine = Engine(settings=settings)
    server = Server(
        uvicorn.Config(
            create_app(engine, settings),
            http="httptools",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
    engine.on_failure = lambda _error: server.stop()
    with listener, server.hearing_signals():
        engine.start()
        try:
            host, port = listener.getsockname()[:2]
            outlet.line(f"Tipman serves http://{host}:{port}")
            outlet.flush()
            server.run([listener])
        finally:
            engine.close()
    return ExitCode.OK if engine.failure is None else ExitCode.INTERNAL


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and not yet listening.

    Raises:
        InvalidError: the address is taken, or is none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise InvalidError(f"can not listen on {host}:{port}: {error.strerror}") from None
    return listener


def import_tasks(name: str) -> None:
    """Import a module, or run a file as one, so that its `@task` functions are registered.

    Raises:
        InvalidError: there is no such module or file.
    """
    path = Path(name)
    if path.suffix == ".py":
        spec = spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InvalidError(f"no file {name!r} with tasks")
        module = sys.modules[path.stem] = module_from_spec(spec)
        spec.loader.exec_module(module)
        return
    sys.path.insert(0, str(Path.cwd()))
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InvalidError(f"no module {name!r} with tasks: {error}") from None


class Server(uvicorn.Server):
    """Uvicorn's server, which hears no signal by itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the engine too."""
        yield

    @contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """Stop at the first signal, at once at the second."""
        before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Take no more connections, and end when the open answers are given."""
        self.should_exit = True

    def _hear(self, _number: int, _frame: Any) -> None:
        self.force_exit = self.should_exit
        self.stop()
