"""`tipman serve`: an engine and its server in one process, from the first signal to the last."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EADDRINUSE
from pathlib import Path
from typing import Any

from tipman.clock import SystemClock
from tipman.errors import InvalidError
from tipman.notices import RequestRefused
from tipman.runtime import Engine
from tipman.settings import LogFormat, Settings

from tipman_api import logs
from tipman_api.app import create_app
from tipman_api.auth import Authentication, known_to
from tipman_api.bridge import Bridge
from tipman_api.configuration import settings_here
from tipman_api.denials import Denial, Denials, log_denial
from tipman_api.destinations import TOKEN_FILE
from tipman_api.discovery import announced
from tipman_api.exits import ExitCode
from tipman_api.exposure import check_exposure
from tipman_api.guard import guarded
from tipman_api.metrics import Metrics
from tipman_api.origins import Origins
from tipman_api.outlet import Outlet, say
from tipman_api.pages import PAGES
from tipman_api.presses import Presses, echo_here_s
from tipman_api.registration import import_tasks
from tipman_api.server import Server
from tipman_api.wire import protocol

BACKLOG = 2048
GARBAGE = (20_000, 20, 20)
"""How many new objects make Python look for cycles among them; see `gc.set_threshold`."""
_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `tipman serve` was asked, apart from the settings."""

    tasks: tuple[str, ...] = ()
    has_auth: bool = True
    is_remote: bool = False
    allowed_hosts: tuple[str, ...] = ()


def serve_command(given: dict[str, Any], outlet: Outlet) -> ExitCode:
    """Serve as the command line asked; the arguments of `serve` by the names of its options."""
    names = ("host", "port", "home", "database", "slots", "types_off")
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
    check_exposure(
        settings.host,
        has_auth=options.has_auth,
        allows_remote=options.is_remote,
        allowed_hosts=options.allowed_hosts,
    )
    logs.configure(settings)
    for name in options.tasks:
        import_tasks(name)
    make_home(settings.home)
    engine = Engine(settings=settings)
    # The lock comes first: that another engine runs here says more than that its port is taken.
    engine.open()
    try:
        listener = listen(settings.host, settings.port)
    except BaseException:
        engine.close()
        raise
    url = url_of(listener)

    def tell() -> None:
        # What is there now stays, and is looked through no more. What comes makes few cycles, so
        # it is enough to look for some now and then.
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        gc.enable()
        outlet.line(f"Tipman serves {url}{_entrance(options, settings)}")
        outlet.flush()

    with announced(settings.home, url):
        asyncio.run(Service(engine, options).live(listener, tell))
    if engine.failure is not None:
        say(f"tipman: internal fault: {engine.failure}")
        return ExitCode.INTERNAL
    return ExitCode.OK


def _entrance(options: ServeOptions, settings: Settings) -> str:
    """Return what lets a browser in, for a terminal only: what is logged is read by others."""
    path = settings.home / TOKEN_FILE
    if not (options.has_auth and sys.stdout.isatty() and path.is_file()):
        return ""
    return f"/#token={path.read_text(encoding='ascii').strip()}"


class Service:
    """An engine that is open and its server, which live and end together."""

    def __init__(self, engine: Engine, options: ServeOptions) -> None:
        self._engine = engine
        self._options = options
        self._bridge = Bridge(engine)
        settings, clock = engine.settings, SystemClock()
        self.denials = Denials(clock, self._tell_denial)
        known = known_to(engine.authenticate) if options.has_auth else None
        app = create_app(self._bridge, settings)
        app.state.metrics = Metrics(engine, lambda: self.denials.counts)
        guard = guarded(
            app,
            settings,
            origins=Origins(options.allowed_hosts),
            authentication=Authentication(known, clock),
            denials=self.denials,
            pages=PAGES,
        )
        connection = protocol(settings, self.denials)
        self._server = Server(guard, connection, at_stop=self._bridge.at_stop)
        self._stops = 0
        self._presses = Presses(clock, echo_s=echo_here_s())
        self._loop: asyncio.AbstractEventLoop | None = None

    async def live(self, listener: socket.socket, started: Any = lambda: None) -> None:
        """Start, serve until a signal, `stop` or a failure of the engine, and close both."""
        loop = self._loop = asyncio.get_running_loop()
        self._bridge.open(loop)
        engine, server = self._engine, self._server
        engine.on_failure = self._end
        with self._hearing(loop):
            try:
                engine.start()
                if self._options.has_auth:
                    engine.ensure_token(engine.settings.home / TOKEN_FILE)
                started()
                await server.serve([listener])
            finally:
                await asyncio.to_thread(engine.close)
                self._bridge.close()

    def _tell_denial(self, denial: Denial) -> None:
        log_denial(denial)
        if not self._bridge.is_stopping:
            self._engine.core.bus.report(RequestRefused(*denial))

    def stop(self) -> None:
        """Stop, from any thread; asked for a second time, at once."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._hear)

    @contextmanager
    def _hearing(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        heard = [number for number in _SIGNALS if _is_ours(number)]
        for number in heard:
            loop.add_signal_handler(number, self._hear_signal, number)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _stopping_words(self) -> str:
        engine = self._engine
        running = engine.core.frontier.slots_taken
        if not running:
            return "stopping"
        noun = "task" if running == 1 else "tasks"
        within = f"{engine.settings.drain_s:g} s"
        return f"stopping: {running} running {noun} may end within {within}; again to stop now"

    def _end(self, _error: BaseException) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._server.hurry)

    def _hear_signal(self, number: int) -> None:
        if self._presses.hear(number):
            self._hear()

    def _hear(self) -> None:
        self._stops += 1
        if self._stops == 1:
            if self._engine.settings.log_format is LogFormat.JSON:
                # Who reads objects there can not make sense of anything else.
                _log.info(self._stopping_words())
            else:
                say(self._stopping_words())
            self._server.stop()
        else:
            self._server.hurry()
            self._engine.hurry()


def _is_ours(number: signal.Signals) -> bool:
    """Tell whether to hear a signal: what is ignored stays so, as under nohup."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(number) is not signal.SIG_IGN


def make_home(home: Path) -> None:
    """Make the folder that holds database and token, for its owner alone.

    Raises:
        InvalidError: it can not be made.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidError(f"can not make the home {home}: {error.strerror}") from None


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        InvalidError: the address is taken, or is none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # Said to be TCP, or asyncio leaves Nagle's delay on: answers of two writes wait 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Who comes while the engine recovers waits, and is not refused.
        listener.listen(BACKLOG)
    except OSError as error:
        advice = "; `--port` names another, 0 a free one" if error.errno == EADDRINUSE else ""
        raise InvalidError(f"can not listen on {host}:{port}: {error.strerror}{advice}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a server as a client of this machine writes it."""
    host, port = listener.getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"
