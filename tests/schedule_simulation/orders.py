"""Random specifications of schedules, sparse enough for a month and dense enough to matter."""

from dataclasses import dataclass
from random import Random

from tipman.clock import MICROSECONDS, rfc3339

ZONES = (
    "UTC", "Europe/Prague", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
    "Africa/Casablanca", "Pacific/Apia", "America/St_Johns",
)  # fmt: skip


@dataclass(frozen=True)
class Rhythm:
    """How often something is due."""

    crons: tuple[str, ...]
    every_s: tuple[float, ...]


USUAL = Rhythm(
    (
        "0 2 * * *", "30 */6 * * *", "15 8 * * MON-FRI", "0 0 * * *", "5 0 L * ?", "0 12 ? * 5L",
        "59 23 * * 6#2", "0 30 3 * * *", "15,45 0 1 * * *", "0 0/20 4 * * SUN", "@daily",
        "@weekly", "*/20 5 * * *", "0 */8 * * *", "@every 7h", "30 1 * * *", "0 0 12 LW * ?",
    ),
    (3_600, 5_400, 9_999.5, 21_600, 86_400, 100_000, 604_800),
)  # fmt: skip
"""For a month."""
RARE = Rhythm(
    (
        "0 2 * * *", "15 8 * * MON", "5 0 L * ?", "0 12 ? * 5L", "59 23 * * 6#2", "30 2 1,15 * *",
        "@weekly", "@monthly", "@every 100h", "30 1 * * SUN", "0 0 12 LW * ?", "0 0 29 2 *",
    ),
    (86_400, 100_000, 604_800, 1_000_000.5),
)  # fmt: skip
"""For years."""
_OVERLAPS = ("skip", "skip", "queue_one", "queue_all", "latest", "cancel_running", "allow")
_TRIGGERS = ("cron", "every_s", "at")
_DAY_US = 86_400 * MICROSECONDS


def specification(random: Random, now_us: int, rhythm: Rhythm) -> dict[str, object]:
    """Return a schedule as somebody may ask for it."""
    given = {
        "task": {
            "type": "sleep",
            "arguments": {"duration_s": 1},
            "on_lost": random.choice(("retry", "fail")),
        },
        "timezone": random.choice(ZONES),
        **_trigger(random, now_us, rhythm),
        **_policies(random),
    }
    if random.random() < 0.2:
        given["starts_at"] = rfc3339(now_us + random.randint(-5 * _DAY_US, 3 * _DAY_US))
    if random.random() < 0.2:
        given["ends_at"] = rfc3339(now_us + random.randint(4 * _DAY_US, 25 * _DAY_US))
    if "at" in given:
        given = {name: value for name, value in given.items() if name[-3:] != "_at"}
    if random.random() < 0.15:
        given["runs_max"] = random.randint(1, 12)
    if random.random() < 0.15:
        given["pause_after_failures"] = random.randint(1, 3)
    if random.random() < 0.2:
        given["exclude"] = sorted({_date(random, now_us) for _ in range(5)})
    if random.random() < 0.1:
        given["paused"] = True
    return given


def dense(random: Random) -> dict[str, object]:
    """Return a schedule that is due every few seconds."""
    return {
        "task": {"type": "sleep", "arguments": {"duration_s": 1}},
        "every_s": random.choice((2, 5, 7.5)),
        **_policies(random),
    }


def changes(random: Random, now_us: int, rhythm: Rhythm) -> dict[str, object]:
    """Return fields with other values; None goes back to the default."""
    drawn = random.choice(("trigger", "trigger", "overlap", "zone", "jitter", "window", "max"))
    match drawn:
        case "trigger":
            return {
                **dict.fromkeys(_TRIGGERS),
                "jitter_s": None,
                **_trigger(random, now_us, rhythm),
            }
        case "overlap":
            return {"queue_max": None, **_policies(random)}
        case "zone":
            return {"timezone": random.choice(ZONES)}
        case "jitter":
            return {"jitter_s": random.choice((None, 1, 900))}
        case "window":
            return {"ends_at": rfc3339(now_us + random.randint(_DAY_US, 20 * _DAY_US))}
    return {"runs_max": random.choice((None, 3, 30))}


def _trigger(random: Random, now_us: int, rhythm: Rhythm) -> dict[str, object]:
    match random.choice(("cron", "cron", "every_s", "every_s", "at")):
        case "cron":
            jitter = {"jitter_s": random.choice((5, 50))} if random.random() < 0.2 else {}
            cron = random.choice(rhythm.crons)
            return {"cron": cron, **({} if len(cron.split()) == 6 else jitter)}
        case "every_s":
            jitter = {"jitter_s": random.choice((5, 900))} if random.random() < 0.4 else {}
            return {"every_s": random.choice(rhythm.every_s), **jitter}
    return {"at": rfc3339(now_us + random.randint(MICROSECONDS, 20 * _DAY_US))}


def _policies(random: Random) -> dict[str, object]:
    overlap = random.choice(_OVERLAPS)
    catch_up: dict[str, object] = {
        "policy": random.choice(("latest", "latest", "none", "earliest", "all")),
        "window_s": random.choice((0, 60, 3_600, 3_600, 200_000)),
    }
    if catch_up["policy"] == "all":
        catch_up["max"] = random.choice((1, 3, 20))
    queue_max = {"queue_max": random.randint(1, 4)} if overlap == "queue_all" else {}
    return {"overlap": overlap, "catch_up": catch_up, **queue_max}


def _date(random: Random, now_us: int) -> str:
    return rfc3339(now_us + random.randint(0, 30 * _DAY_US))[:10]
