"""Exposition: figures in the words of Prometheus; imported with the first scrape only."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from tipman.clock import MICROSECONDS
from tipman.database import Database
from tipman.figures import Histogram, newest_position, open_runs, open_tasks, size_of
from tipman.version import VERSION

from tipman_api.metrics import Metrics


def exposed(metrics: Metrics, database: Database) -> bytes:
    """Return all figures in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(metrics, database))
    return generate_latest(registry)


class _Scrape(Collector):
    """Collects once, from a registry of its own: nothing of other libraries gets in."""

    def __init__(self, metrics: Metrics, database: Database) -> None:
        self._metrics = metrics
        self._database = database

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("tipman", "What serves.", {"version": VERSION})
        yield from self._of_tasks()
        yield from self._of_slots()
        yield from self._of_storage()
        yield from self._of_happenings()
        latencies = self._metrics.latencies
        yield _histogram(
            "tipman_task_wait_seconds",
            "From the submission of a task to the start of its first attempt.",
            latencies.waits,
        )
        yield _histogram(
            "tipman_attempt_duration_seconds",
            "From the start of an attempt to its end, whatever that was.",
            latencies.durations,
        )

    def _of_tasks(self) -> Iterator[Metric]:
        now = self._metrics.engine.core.clock.wall_us()
        labels = ["namespace", "queue"]
        tasks = GaugeMetricFamily(
            "tipman_tasks_open", "Tasks that have not settled.", labels=[*labels, "state"]
        )
        oldest = GaugeMetricFamily(
            "tipman_queue_oldest_seconds", "How long the first has been queued.", labels=labels
        )
        for row in open_tasks(self._database):
            tasks.add_metric([row.namespace, row.queue, row.state], row.tasks)
            if row.state == "queued" and row.queued_since is not None:
                age_s = max(now - row.queued_since, 0) / MICROSECONDS
                oldest.add_metric([row.namespace, row.queue], age_s)
        yield tasks
        yield oldest
        runs = GaugeMetricFamily(
            "tipman_runs_open", "Runs of workflows not settled.", labels=["namespace", "state"]
        )
        for each in open_runs(self._database):
            runs.add_metric([each.namespace, each.state], each.runs)
        yield runs

    def _of_slots(self) -> Iterator[Metric]:
        taken = self._metrics.engine.core.frontier.slots_taken
        settings = self._metrics.engine.settings
        yield GaugeMetricFamily("tipman_slots", "Attempts that may run at once.", settings.slots)
        yield GaugeMetricFamily("tipman_slots_taken", "Slots that are in use.", taken)
        queues = GaugeMetricFamily(
            "tipman_queue_slots", "Slots of queues with their own.", labels=["queue"]
        )
        for name, slots in sorted(settings.queues.items()):
            queues.add_metric([name], slots)
        yield queues

    def _of_storage(self) -> Iterator[Metric]:
        size = size_of(self._database)
        end = newest_position(self._database)
        figures: tuple[tuple[str, str, float], ...] = (
            ("tipman_database_bytes", "What the database takes.", size.database),
            ("tipman_database_free_bytes", "Of that, what rows to come will use.", size.free),
            ("tipman_database_wal_bytes", "What its write-ahead log takes.", size.log),
            ("tipman_log_position", "The position of the last entry of the log.", end),
        )
        for name, words, value in figures:
            yield GaugeMetricFamily(name, words, value)

    def _of_happenings(self) -> Iterator[Metric]:
        names: Counter[str] = Counter()
        settled: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        for (name, after), count in self._metrics.lines().items():
            names[name] += count
            if name == "task.settled":
                settled[after] += count
            elif name == "run.settled":
                ended[after] += count
        refused = self._metrics.refusals()
        yield _counter(
            "tipman_events", "Lines of the log committed since the start.", "name", names
        )
        yield _counter("tipman_tasks_settled", "Tasks settled since the start.", "state", settled)
        yield _counter("tipman_runs_settled", "Runs settled since the start.", "state", ended)
        yield _counter(
            "tipman_requests_refused", "Requests refused since the start.", "kind", refused
        )


def _counter(name: str, words: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, words, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _histogram(name: str, words: str, histogram: Histogram) -> Metric:
    buckets = [
        ("+Inf" if bound == float("inf") else str(bound), count)
        for bound, count in histogram.buckets()
    ]
    return HistogramMetricFamily(name, words, buckets, histogram.sum_s)
