"""Resources: a task as people see it, built as JSON text from its row.

The texts in a row, arguments and results, were checked when they were written and are passed on
as they are: nothing is parsed in order to be written again.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import NamedTuple

from tipman.clock import MICROSECONDS, rfc3339
from tipman.ids import text_of

URI = "/api/v1/tasks/"
RUNS_URI = "/api/v1/runs/"
SCHEDULES_URI = "/api/v1/schedules/"


class TaskRow(NamedTuple):
    """What a task is shown by; instants in µs, ids in 16 bytes, from `arguments` on JSON texts."""

    id: bytes
    key: str | None
    namespace: str
    name: str
    state: str
    attempt: int
    epoch: int | None
    dependencies_remaining: int
    cause: bytes | None
    reason: str | None
    due_at: int | None
    submitted_at: int
    queued_at: int | None
    started_at: int | None
    settled_at: int | None
    run: bytes | None
    schedule: bytes | None
    parent: bytes | None
    type: str
    queue: str
    priority: int
    arguments: str
    options: str
    result: str | None
    error: str | None


def task_text(row: TaskRow, dependencies: Sequence[bytes], epoch: int, context: str = "{}") -> str:
    """Return a task as JSON text; *epoch* is the living engine's, *context* JSON text."""
    uri = URI + text_of(row.id)
    is_running = row.state == "running" and row.epoch == epoch
    attempts_max, timeout_s, definition, asked = _options(row.options)
    due_at = asked if row.due_at is None else _instant(row.due_at)
    needs = ",".join([f'"{URI}{text_of(each)}"' for each in dependencies])
    return (
        f'{{"id":"{uri[len(URI) :]}","uri":"{uri}","kind":"task","key":{_text(row.key)},'
        f'"namespace":{quoted(row.namespace)},"name":{quoted(row.name)},"type":"{row.type}",'
        f'"arguments":{row.arguments},"state":"{row.state}",'
        f'"settled":{"false" if row.settled_at is None else "true"},'
        f'"running":{"true" if is_running else "false"},"attempt":{row.attempt},'
        f'"attempts_max":{attempts_max},"dependencies":[{needs}],'
        f'"dependencies_remaining":{row.dependencies_remaining},"run":{_run(row.run)},'
        f'"schedule":{_schedule(row.schedule)},"parent":{_parent(row)},"definition":{definition},"queue":{quoted(row.queue)},'
        f'"priority":{row.priority},"timeout_s":{timeout_s},"due_at":{due_at},'
        f'"owner":{f"{chr(34)}epoch-{epoch}{chr(34)}" if is_running else "null"},'
        f'"lease_expires_at":null,"submitted_at":{_instant(row.submitted_at)},'
        f'"queued_at":{_instant(row.queued_at)},"started_at":{_instant(row.started_at)},'
        f'"settled_at":{_instant(row.settled_at)},"result":{row.result or "null"},'
        f'"error":{_error(row) or "null"},"context":{context}}}'
    )


def _error(row: TaskRow) -> str | None:
    if row.reason is not None:
        return row.reason
    if row.cause is None or row.schedule is None:
        return error_text(row.error, row.cause)
    return superseded_text(row.cause)


def superseded_text(by: bytes) -> str:
    """Return why a run of a schedule was skipped that had waited for its turn."""
    uri = URI + text_of(by)
    message = f"skipped because a newer run of its schedule, {uri}, took its place"
    return f'{{"code":"superseded","message":"{message}","cause":"{uri}"}}'


def error_text(error: str | None, cause: bytes | None) -> str | None:
    """Return why a task did not succeed: what its last attempt said, or who it was skipped for."""
    if cause is None:
        return error
    uri = URI + text_of(cause)
    message = f"skipped because its dependency {uri} did not succeed"
    return f'{{"code":"dependency","message":"{message}","cause":"{uri}"}}'


@lru_cache(maxsize=1024)
def _options(options: str) -> tuple[str, str, str, str]:
    """Return the JSON texts of `attempts_max`, `timeout_s`, `definition` and `due_at`."""
    stated = json.loads(options)
    attempts_max = stated.get("retry", {}).get("attempts_max", 1)
    found = (attempts_max, stated.get("timeout_s"), stated.get("definition"))
    first, second, third = map(json.dumps, found)
    return first, second, third, _instant(stated.get("due_at"))


def _text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def _run(run: bytes | None) -> str:
    return "null" if run is None else f'"{RUNS_URI}{text_of(run)}"'


def _parent(row: TaskRow) -> str:
    """Return who is told when it settles: its map, or its run where it belongs to its end."""
    if row.parent is None:
        return "null"
    return f'"{RUNS_URI if row.parent == row.run else URI}{text_of(row.parent)}"'


def _schedule(schedule: bytes | None) -> str:
    return "null" if schedule is None else f'"{SCHEDULES_URI}{text_of(schedule)}"'


def _instant(instant_us: int | None) -> str:
    if instant_us is None:
        return "null"
    second, micro = divmod(instant_us, MICROSECONDS)
    return f'"{_second(second)}{micro:06d}Z"'


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    """Return all of an instant but its microseconds; most of what is shown shares it."""
    return rfc3339(second * MICROSECONDS)[: -len("000000Z")]
