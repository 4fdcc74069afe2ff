"""The worker: lets committed effects out to the executors, and ends what runs at a stop."""

import logging
from collections.abc import Callable, Mapping

from tipman.effects import Effect, StartAttempt, StopAttempt
from tipman.events import AttemptFailed, Failure, Report, StopReason
from tipman.executors import Executor
from tipman.ids import text_of

_log = logging.getLogger(__name__)
Factory = Callable[[], Executor]


class Worker:
    """Executors by the types of task they run, made when they are first needed.

    `perform` belongs to whoever has the bus's turn; `report` and `interrupt` may come from any.
    """

    def __init__(
        self,
        factories: Callable[["Worker"], Mapping[str, Factory]],
        publish: Callable[[Report], None],
        hand_in: Callable[[Report], None],
    ) -> None:
        self._publish = publish
        self._hand_in = hand_in
        self._factories = factories(self)
        self._made: dict[Factory, Executor] = {}
        self._executors: dict[str, Executor] = {}
        self._running: dict[tuple[bytes, int], Executor] = {}

    def executor(self, kind: str) -> Executor:
        """Return the executor of a type of task.

        Raises:
            LookupError: this engine runs no such tasks.
        """
        found = self._executors.get(kind)
        return self._make(kind) if found is None else found

    @property
    def running(self) -> list[tuple[bytes, int]]:
        """The attempts that executors have now: instance and number; from any thread."""
        return list(self._running)

    def late(self, kind: str) -> Executor:
        """Return a stand-in for an executor that is made when it is first asked to start."""
        return _Late(lambda: self.executor(kind))

    def perform(self, effects: list[Effect]) -> None:
        """Start and stop attempts, in order."""
        for effect in effects:
            if isinstance(effect, StartAttempt):
                self._start(effect)
            else:
                self._stop(effect)

    def report(self, event: Report) -> None:
        """Pass on what an executor says of an attempt, which is with it no more."""
        self._running.pop((event.instance, event.attempt), None)
        self._publish(event)

    def hand_in(self, event: Report) -> None:
        """As `report`, from a thread that holds no lock and has nothing else to do."""
        self._running.pop((event.instance, event.attempt), None)
        self._hand_in(event)

    def interrupt(self, grace_s: float) -> None:
        """Ask every attempt that runs to end, because the engine stops."""
        for (instance, attempt), executor in list(self._running.items()):
            executor.stop(StopAttempt(instance, attempt, StopReason.INTERRUPTED, grace_s))

    def close(self) -> None:
        """End everything."""
        for executor in self._made.values():
            executor.close()

    def _make(self, kind: str) -> Executor:
        factory = self._factories.get(kind)
        if factory is None:
            raise LookupError(f"this engine runs no {kind} tasks")
        # Several types may share one.
        made = self._made.get(factory)
        if made is None:
            made = self._made[factory] = factory()
        self._executors[kind] = made
        return made

    def _start(self, effect: StartAttempt) -> None:
        try:
            executor = self.executor(effect.type)
            self._running[effect.instance, effect.attempt] = executor
            executor.start(effect)
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has failed
            # An executor that can not even begin must not leave the attempt running for ever.
            about = {"task": text_of(effect.instance), "attempt": effect.attempt}
            _log.exception("the executor of %s tasks failed", effect.type, extra=about)
            failure = Failure("executor", f"{type(error).__name__}: {error}")
            self.report(AttemptFailed(effect.instance, effect.attempt, effect.epoch, failure))

    def _stop(self, effect: StopAttempt) -> None:
        executor = self._running.get((effect.instance, effect.attempt))
        if executor is not None:
            executor.stop(effect)


class _Late:
    """An executor that another one may need, and mostly does not."""

    def __init__(self, make: Factory) -> None:
        self._make = make
        self._made: Executor | None = None

    def start(self, attempt: StartAttempt) -> None:
        if self._made is None:
            self._made = self._make()
        self._made.start(attempt)

    def stop(self, attempt: StopAttempt) -> None:
        if self._made is not None:
            self._made.stop(attempt)

    def close(self) -> None:
        """The worker closes what it made."""
