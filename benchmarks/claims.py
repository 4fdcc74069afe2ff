"""Claims: what is run in every round, and what must come out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

Reading = Mapping[str, float]
Round = Mapping[str, Reading]
"""What one round read, by the names of its runs."""

_OURS, _HUEY, _DBOS = "ours", "peers.huey_sqlite", "peers.dbos_sqlite"
_APSCHEDULER = "peers.apscheduler_sqlite"
_SERVING, _WORKFLOWS = "serving", "workflows"
_RATE = "requests_per_s"
_FIRED = "fired_per_s"
_NORMAL = ("--durability", "normal")
_SHAPES = ("chain", "fan", "layers")


@dataclass(frozen=True)
class Run:
    """One child process: a module, what it is told, and the option that says how much it does."""

    name: str
    module: str
    words: tuple[str, ...]
    amount: int
    option: str = "--count"
    amount_min: int = 20

    def command(self, *, share: int = 1) -> list[str]:
        """Return the words after the interpreter, for one *share*-th of the amount."""
        amount = max(self.amount // share, self.amount_min)
        return ["-m", self.module, *self.words, self.option, str(amount)]


RUNS = (
    Run("ours futures", _OURS, ("futures",), 10_000),
    Run("huey", _HUEY, ("produce",), 2_000),
    Run("ours bulk", _OURS, ("batches",), 10_000),
    Run("ours 1 waiting", _OURS, ("waiting",), 2_000),
    Run("huey 8", _HUEY, ("produce", "--producers", "8"), 4_000, amount_min=80),
    Run("ours 8 waiting", _OURS, ("waiting", "--publishers", "8"), 10_000, amount_min=80),
    Run("huey latency", _HUEY, ("latency", "--pause-s", "0.002"), 200),
    Run("ours latency", _OURS, ("latency", "--pause-s", "0.002"), 200),
    Run("huey cold latency", _HUEY, ("latency", "--pause-s", "0.02"), 60),
    Run("ours cold latency", _OURS, ("latency", "--pause-s", "0.02"), 60),
    Run("DBOS chain", _DBOS, ("chain",), 1_000),
    Run("ours chain", _OURS, ("chain",), 1_000),
    Run("DBOS fan", _DBOS, ("fan",), 1_000),
    Run("ours fan", _OURS, ("fan",), 1_000),
    Run("ours chain 100", _OURS, ("chain", "--count", "100"), 30, option="--times", amount_min=3),
    Run("ours chain 10,000", _OURS, ("chain",), 10_000),
    Run("ours fan 100", _OURS, ("fan", "--count", "100"), 30, option="--times", amount_min=3),
    Run("ours fan 10,000", _OURS, ("fan",), 10_000),
    Run("workflow chain", _WORKFLOWS, ("chain",), 1_000),
    Run("workflow fan", _WORKFLOWS, ("fan",), 1_000),
    *(
        Run(f"workflow {shape} 100", _WORKFLOWS, (shape, "--count", "100"), 30, "--times", 3)
        for shape in _SHAPES
    ),
    *(Run(f"workflow {shape} 50,000", _WORKFLOWS, (shape,), 50_000) for shape in _SHAPES),
    Run("workflow submit", _WORKFLOWS, ("submit",), 50_000),
    Run("workflow follow", _WORKFLOWS, ("follow",), 2_000),
    Run("ours idle", _OURS, ("idle",), 5, option="--idle-s", amount_min=1),
    Run("empty post", _SERVING, ("post", "--server", "empty"), 10_000),
    Run("guarded post", _SERVING, ("post", "--server", "guarded"), 10_000),
    Run("served post", _SERVING, ("post", "--server", "ours", *_NORMAL), 10_000),
    Run("served post at full", _SERVING, ("post", "--server", "ours"), 10_000),
    Run("empty get", _SERVING, ("get", "--server", "empty"), 10_000),
    Run("guarded get", _SERVING, ("get", "--server", "guarded"), 10_000),
    Run("served get", _SERVING, ("get", "--server", "ours", *_NORMAL), 10_000),
    Run("bare start", _SERVING, ("start", "--server", "bare"), 5, amount_min=1),
    Run("served start", _SERVING, ("start", "--server", "ours"), 5, amount_min=1),
    Run("program start", _SERVING, ("start", "--server", "program"), 5, amount_min=1),
    Run("APScheduler due", _APSCHEDULER, ("due",), 10, option="--seconds", amount_min=3),
    Run("schedules due", "schedules", ("due",), 10, option="--seconds", amount_min=3),
    Run("schedules ready", "schedules", ("ready",), 100_000),
    Run("schedules idle", "schedules", ("idle",), 10_000),
    Run("served thousand", _SERVING, ("history", "--rows", "1000"), 5_000),
    Run("served million", _SERVING, ("history", "--rows", "1000000"), 5_000),
)
"""In this order, round after round: what is compared runs next to each other."""


class Bound(Enum):
    """On which side of its limit a value must be."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True)
class Claim:
    """One sentence, and the readings that hold or break it.

    The value is ours, or with a *peer* ours divided by the peer's.
    """

    text: str
    ours: str
    peer: str | None
    reading: str
    bound: Bound
    limit: float

    def judge(self, rounds: Sequence[Round]) -> "Finding":
        """Return what the medians of *rounds* say of it."""
        ours = [read[self.ours][self.reading] for read in rounds]
        if self.peer is None:
            value = median(ours)
            return Finding(self, value, None, value)
        peers = [read[self.peer][self.reading] for read in rounds]
        # Of each round its own ratio: both sides of it met the same disk and the same neighbours.
        value = median(mine / its for mine, its in zip(ours, peers, strict=True))
        return Finding(self, median(ours), median(peers), value)


@dataclass(frozen=True)
class Finding:
    """What came out for a claim: medians, and the value that is held against the limit."""

    claim: Claim
    ours: float
    peer: float | None
    value: float

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of the limit."""
        if self.claim.bound is Bound.AT_LEAST:
            return self.value >= self.claim.limit
        return self.value <= self.claim.limit


CLAIMS = (
    Claim("futures, tasks/s", "ours futures", "huey", "tasks_per_s", Bound.AT_LEAST, 10),
    Claim("bulk, tasks/s", "ours bulk", "huey", "tasks_per_s", Bound.AT_LEAST, 10),
    Claim(
        "8 publishers that wait, tasks/s",
        "ours 8 waiting",
        "huey 8",
        "tasks_per_s",
        Bound.AT_LEAST,
        4,
    ),
    Claim(
        "1 publisher that waits, tasks/s",
        "ours 1 waiting",
        "huey",
        "tasks_per_s",
        Bound.AT_LEAST,
        1.3,
    ),
    *(
        Claim(
            f"idle for {pause}, submit to start p50, ms",
            f"ours {name}",
            f"huey {name}",
            "latency_p50_ms",
            Bound.AT_MOST,
            0.6,
        )
        for pause, name in (("2 ms", "latency"), ("20 ms", "cold latency"))
    ),
    Claim("chain of 1,000, nodes/s", "ours chain", "DBOS chain", "tasks_per_s", Bound.AT_LEAST, 3),
    Claim("fan of 1,000, nodes/s", "ours fan", "DBOS fan", "tasks_per_s", Bound.AT_LEAST, 20),
    Claim(
        "workflow: chain of 1,000, nodes/s",
        "workflow chain",
        "DBOS chain",
        "tasks_per_s",
        Bound.AT_LEAST,
        3,
    ),
    Claim(
        "workflow: fan of 1,000, nodes/s",
        "workflow fan",
        "DBOS fan",
        "tasks_per_s",
        Bound.AT_LEAST,
        20,
    ),
    *(
        Claim(
            f"workflow: {shape}, CPU a node, 50,000 against 100, µs",
            f"workflow {shape} 50,000",
            f"workflow {shape} 100",
            "cpu_us_per_task",
            Bound.AT_MOST,
            1.2,
        )
        for shape in _SHAPES
    ),
    Claim("run of 50,000, submit, s", "workflow submit", None, "submit_s", Bound.AT_MOST, 5),
    Claim("the same, memory, MiB", "workflow submit", None, "rss_peak_mib", Bound.AT_MOST, 400),
    Claim(
        "finish to dependent start, 1,000 runs open, p99, ms",
        "workflow follow",
        None,
        "follow_p99_ms",
        Bound.AT_MOST,
        10,
    ),
    Claim("bulk, CPU a task, µs", "ours bulk", None, "cpu_us_per_task", Bound.AT_MOST, 60),
    Claim("futures, CPU a task, µs", "ours futures", None, "cpu_us_per_task", Bound.AT_MOST, 60),
    Claim(
        "memory after 10,000, waited for, MiB",
        "ours 8 waiting",
        None,
        "rss_mib",
        Bound.AT_MOST,
        45,
    ),
    Claim("memory after 10,000, in bulk, MiB", "ours bulk", None, "rss_mib", Bound.AT_MOST, 45),
    Claim(
        "chain, CPU a node, 10,000 against 100, µs",
        "ours chain 10,000",
        "ours chain 100",
        "cpu_us_per_task",
        Bound.AT_MOST,
        1.1,
    ),
    Claim(
        "fan, CPU a node, 10,000 against 100, µs",
        "ours fan 10,000",
        "ours fan 100",
        "cpu_us_per_task",
        Bound.AT_MOST,
        1.1,
    ),
    Claim("idle engine, share of a CPU", "ours idle", None, "idle_cpu_share", Bound.AT_MOST, 1e-3),
    Claim("POST of a task, a second", "served post", "empty post", _RATE, Bound.AT_LEAST, 0.5),
    Claim("the same, both guarded", "served post", "guarded post", _RATE, Bound.AT_LEAST, 0.65),
    Claim("POST at full, 64 clients", "served post at full", None, _RATE, Bound.AT_LEAST, 2000),
    Claim("GET of a task, a second", "served get", "empty get", _RATE, Bound.AT_LEAST, 0.5),
    Claim("the same, both guarded", "served get", "guarded get", _RATE, Bound.AT_LEAST, 0.65),
    Claim(
        "first start to the first 200, s",
        "served start",
        "bare start",
        "first_start_s",
        Bound.AT_MOST,
        1.5,
    ),
    Claim(
        "start to the first 200, s", "served start", "bare start", "start_s", Bound.AT_MOST, 1.5
    ),
    Claim("single program, first 200, s", "program start", None, "start_s", Bound.AT_MOST, 0.8),
    Claim("single program, MB", "program start", None, "program_mb", Bound.AT_MOST, 30),
    Claim("1,000 due every second, fired", "schedules due", None, _FIRED, Bound.AT_LEAST, 990),
    Claim("the same, late p99, ms", "schedules due", None, "late_p99_ms", Bound.AT_MOST, 50),
    Claim(
        "the same, CPU a firing without its task, µs",
        "schedules due",
        "APScheduler due",
        "cpu_us_per_firing",
        Bound.AT_MOST,
        0.1,
    ),
    Claim("100,000 schedules, start, s", "schedules ready", None, "ready_s", Bound.AT_MOST, 1),
    Claim("the same, KiB each", "schedules ready", None, "kib_per_schedule", Bound.AT_MOST, 1),
    Claim(
        "10,000 schedules, none due, share of a CPU",
        "schedules idle",
        None,
        "idle_cpu_share",
        Bound.AT_MOST,
        1e-3,
    ),
    *(
        Claim(
            f"{text}, a million tasks against a thousand",
            "served million",
            "served thousand",
            reading,
            bound,
            limit,
        )
        for text, reading, bound, limit in (
            ("POST, a second", "post_per_s", Bound.AT_LEAST, 1 / 1.3),
            ("list, ms", "list_p50_ms", Bound.AT_MOST, 1.3),
            ("list of what succeeded, ms", "list_succeeded_p50_ms", Bound.AT_MOST, 1.3),
            ("list of what is queued, ms", "list_open_p50_ms", Bound.AT_MOST, 1.3),
            ("memory, MiB", "server_rss_mib", Bound.AT_MOST, 1.1),
        )
    ),
)
