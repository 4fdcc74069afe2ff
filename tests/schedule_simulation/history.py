"""The history of a schedule, folded from its log: what was due under which revision."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise

from schedule_simulation.evidence import Line
from simulation.violation import ViolationError
from tipman.clock import MICROSECONDS, microseconds_of
from tipman.timetable import Timetable, jitter_us, timetable_of


@dataclass(slots=True)
class Segment:
    """A revision, in force for what is due after `since` and not after `until` (None: yet)."""

    spec: dict
    anchor: int
    since: int
    until: int | None = None
    exhausted_at: int | None = None
    """The last instant that `runs_max` let have a run."""
    timetable: Timetable = field(init=False)

    def __post_init__(self):
        self.timetable = timetable_of(
            cron=self.spec.get("cron"),
            every_s=self.spec.get("every_s"),
            at_us=_us(self.spec.get("at")),
            timezone=self.spec.get("timezone", "UTC"),
            starts_at_us=_us(self.spec.get("starts_at")),
            ends_at_us=_us(self.spec.get("ends_at")),
            anchor_us=self.anchor,
        )

    def is_excluded(self, due: int) -> bool:
        """Tell by the calendar of the zone."""
        excluded = self.spec.get("exclude")
        if not excluded:
            return False
        local = self.timetable.zone.local(due)
        return local.date() in {date.fromisoformat(day) for day in excluded}


@dataclass(slots=True)
class Due:
    """An instant that was due, and until when at the latest it waits for its jitter."""

    at: int
    ready_at: int
    segment: Segment


class History:
    """What became of one schedule; *replaced* counts the slots that each run superseded."""

    def __init__(self, identifier: bytes, replaced: Counter[str]):
        self.id = identifier
        self._replaced = replaced
        self.segments: list[Segment] = []
        self.pauses: list[list[int | None]] = []
        self.finished_at: int | None = None
        self.reached = 0
        """The last instant that was decided."""
        self.decided = 0
        """How many instants the log says were decided, manual ones left out."""
        self._runs = 0

    @property
    def policies(self) -> dict:
        """The specification that is in force."""
        return self.segments[-1].spec

    def fold(self, line: Line) -> None:
        """Take in the next line of its log."""
        data = {} if line.data is None else json.loads(line.data)
        if line.name == "event.failed":
            raise ViolationError(f"a handler failed: {data}")
        match line.name:
            case "schedule.created":
                starts_at = _us(data["spec"].get("starts_at"))
                anchor = line.at if starts_at is None else starts_at
                self.segments.append(Segment(data["spec"], anchor, line.at))
            case "schedule.changed":
                self._change(data, line.at)
            case "slot.decided":
                self._decide(data)
        self._move(line)

    def _change(self, data: dict, at: int) -> None:
        last = self.segments[-1]
        last.until = max(at, self.reached, last.since)
        starts_at, anchor = _us(data["spec"].get("starts_at")), last.anchor
        if {"every_s", "cron", "starts_at"} & {*data["changes"]}:
            holds = starts_at is not None and ("starts_at" in data["changes"] or starts_at > at)
            anchor = starts_at if holds else at
        self.segments.append(Segment(data["spec"], anchor, last.until))
        self._exhaust()

    def _decide(self, data: dict) -> None:
        if data.get("manual"):
            return
        self.reached = max(self.reached, data.get("due_until", data["due_at"]))
        self.decided += data.get("count", 1)
        self._runs += data["decision"] == "run"
        self._runs -= self._replaced[data.get("instance", "")]
        self._exhaust()

    def _exhaust(self) -> None:
        segment = self.segments[-1]
        most = segment.spec.get("runs_max")
        if most is not None and self._runs >= most and segment.exhausted_at is None:
            segment.exhausted_at = max(self.reached, segment.since)

    def _move(self, line: Line) -> None:
        if line.after == line.before:
            return
        if line.after == "paused":
            self.pauses.append([line.at, None])
        elif line.before == "paused":
            self.pauses[-1][1] = line.at
        if line.after == "finished":
            self.finished_at = line.at

    def was_paused(self, due: int) -> bool:
        """Tell whether an instant fell, or its jitter reached, into a pause."""
        return any(
            since - 86_400 * MICROSECONDS <= due and (until is None or due <= until)
            for since, until in self.pauses
        )

    def latest_at(self, due: int) -> int:
        """Return up to when an instant may have waited for its jitter."""
        jitter_s = max(segment.spec.get("jitter_s", 0) for segment in self.segments)
        return due + round(jitter_s * MICROSECONDS)

    def dues(self, now: int) -> tuple[list[Due], int]:
        """Return what may have been decided by now, and up to when all must be."""
        limit = now
        if self.finished_at is not None:
            limit = self.finished_at
        elif self.pauses and self.pauses[-1][1] is None:
            limit = self.pauses[-1][0]
        far = max(limit, self.reached)
        found = []
        for segment in self.segments:
            until = far if segment.until is None else segment.until
            if segment.exhausted_at is not None:
                until = min(until, segment.exhausted_at)
            jitter_s = segment.spec.get("jitter_s", 0)
            for due in segment.timetable.between(segment.since, until):
                delay = jitter_us(self.id, due, jitter_s=jitter_s) if jitter_s else 0
                # A change or the end waits for nothing: what is due by then is decided.
                is_over = segment.until is not None or self.finished_at is not None
                ready_at = due if is_over else due + delay
                found.append(Due(due, ready_at, segment))
        for earlier, later in pairwise(found):
            if earlier.at >= later.at:
                raise ViolationError("the oracle itself has one instant twice")
        return found, limit


def _us(text: str | None) -> int | None:
    return None if text is None else microseconds_of(datetime.fromisoformat(text))
