"""One database through many deaths of its server, and clients who ask again."""

import os
import random
import signal
from contextlib import suppress

from crash import leftovers
from crash.clients import GoneError
from crash.life import PATIENCE_S, Life
from crash_rest.clients import PROCESSES, SCRIPT, PlainClient, RestClient
from crash_rest.wire import Address
from tipman.registrar import FIRST_TOKEN

SERVING_SHARE = 0.8
"""Of the rounds: those that begin when the server serves."""
BOOTLOADER = "[PYI-"


class RestLife(Life):
    """A life whose engine is reached over REST."""

    clients = 64
    client = RestClient
    processes = PROCESSES

    def __init__(self, seed, nest, *, requests=6, script=SCRIPT, patience_s=PATIENCE_S, **orders):
        super().__init__(
            seed, nest, requests=requests, script=script, patience_s=patience_s, **orders
        )
        self._address = Address(self.folder)
        self._dice = random.Random(seed)

    def close(self):
        """End what was left behind."""
        self._address.close()
        super().close()

    def _start(self, **orders):
        self._address.close()
        self._address = Address(self.folder)
        super()._start(**orders)

    def _connect(self):
        return self._address.connect()

    def _stop(self, _connection, *, drain_s):  # noqa: ARG002 - its settings say how long
        with suppress(ProcessLookupError):
            os.kill(self._nest.pid, signal.SIGTERM)
        leftovers.wait_for_end(self._nest.pid, PATIENCE_S)

    def _help(self, connection, identifier, state, _actor):
        super()._help(connection, identifier, state, FIRST_TOKEN)

    def _client(self, name, *, known, script):
        seed = f"{self.seed}/{name}"
        place = (self.folder, self.claims, name, seed)
        return self.client(self._address, *place, known=known, script=script)


class SlowLife(RestLife):
    """A life whose servers take their time to start: a round mostly begins when one serves."""

    aimed_s = 1.0

    def _load(self, script):
        if self._dice.random() < SERVING_SHARE:
            # Who died before has no clients.
            with suppress(GoneError):
                self._connect().close()
        return super()._load(script)


class ProgramLife(SlowLife):
    """A life of the single program, which has no tasks of its own."""

    client = PlainClient

    @staticmethod
    def _is_complaint(text):
        # A helper that just starts when the program is killed finds the bundle gone, module by
        # module; its bootloader says so. The server's own failure would leave nobody answered.
        return "Traceback" in text and BOOTLOADER not in text
