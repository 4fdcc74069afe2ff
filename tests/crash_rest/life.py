"""One database through many deaths of its server, and clients who ask again."""

import os
import signal
from contextlib import suppress

from crash import leftovers
from crash.life import PATIENCE_S, Life
from crash_rest.clients import PROCESSES, SCRIPT, RestClient
from crash_rest.wire import Address
from tipman.registrar import FIRST_TOKEN


class RestLife(Life):
    """A life whose engine is reached over REST."""

    clients = 64
    processes = PROCESSES

    def __init__(self, seed, nest, *, requests=6, script=SCRIPT, patience_s=PATIENCE_S, **orders):
        super().__init__(
            seed, nest, requests=requests, script=script, patience_s=patience_s, **orders
        )
        self._address = Address(self.folder)

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
        return RestClient(self._address, *place, known=known, script=script)


class SlowLife(RestLife):
    """A life whose servers take their time to start."""

    aimed_s = 2.0
