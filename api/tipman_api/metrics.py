"""Metrics: what Prometheus scrapes, counted in committed rows at that moment.

Gauges are queries, so they can not drift. Counters begin at 0 with the server and count the lines
of the log as they are committed. Nothing is labelled by what a client may choose without bound,
but for namespaces and queues that have an open task.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

from fastapi import Request, Response
from tipman.database import Database, Row
from tipman.errors import ForbiddenError
from tipman.figures import Latencies, newest_position
from tipman.runtime import Engine

from tipman_api.bridge import bridge_of
from tipman_api.principals import Scope, principal_of
from tipman_api.routes import Router

_NAME_AND_AFTER = itemgetter(2, 6)
Refusals = Callable[[], Mapping[str, int]]
router = Router(tags=["health"])


@router.get(
    "/metrics",
    scope=Scope.READ,
    operation_id="show_metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(request: Request) -> Response:
    """Return figures of the whole engine in Prometheus' text format."""
    principal = principal_of(request)
    if principal.namespace is not None:
        raise ForbiddenError(
            f"metrics are about all namespaces; the token {principal.name!r} is bound to one"
        )
    metrics: Metrics = request.app.state.metrics
    text = await bridge_of(request).read(metrics.text)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


class Metrics:
    """The figures of one engine that is open; *refusals* counts by kind what was refused."""

    def __init__(self, engine: Engine, refusals: Refusals = dict) -> None:
        self.engine = engine
        self.refusals = refusals
        self._lines: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        with engine.reading() as database:
            self.latencies = Latencies(newest_position(database))
        engine.listen(self._hear)

    def text(self, database: Database) -> bytes:
        """Return all figures as they are committed now; one thread at a time counts."""
        # What formats them takes as long to import as an engine to start.
        from tipman_api.exposition import exposed  # noqa: PLC0415 - see above

        with self._lock:
            self.latencies.look(database)
            return exposed(self, database)

    def lines(self) -> dict[tuple[str, str], int]:
        """Return how many lines were committed, by name and by where they left the instance."""
        return dict(self._lines)

    def _hear(self, lines: Sequence[Row]) -> None:
        # On the bus's thread: one pass in C.
        self._lines.update(map(_NAME_AND_AFTER, lines))
