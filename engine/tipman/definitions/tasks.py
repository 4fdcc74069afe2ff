"""From mappings to tasks: completed from the settings, and everything wrong named at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from pydantic import ValidationError

from tipman.definitions.completion import completed_task
from tipman.definitions.faults import faults_of, unknown_field
from tipman.definitions.judgement import judge
from tipman.definitions.parts import has_parts, parted
from tipman.definitions.shapes import Retry, Task, kind_of
from tipman.definitions.stencils import Stencil
from tipman.errors import CycleError, Fault, InvalidError, UnknownDependencyError
from tipman.graph import find_cycle
from tipman.jsontext import Path, pointer_of
from tipman.settings import Settings

FAULTS_MAX = 100
REFUSED_MAX = 1_000
"""Faults that one refusal names, whatever they are of."""
"""So many faults are looked for; after them the rest of the tasks is not read."""
DEFAULTS = Settings()


class Reading(NamedTuple):
    """What became of one mapping: a task, or else what is wrong with it."""

    task: Task | None
    faults: tuple[Fault, ...]


def task_of(
    mapping: object, *, settings: Settings = DEFAULTS, stencil: Stencil | None = None
) -> Task:
    """Return the task that a mapping says, completed from the settings, to be submitted alone.

    A *stencil*, made for the same settings, spares work where one task follows another.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the mapping.
    """
    task = None if stencil is None else stencil.read(mapping)
    if task is not None:
        return task
    task, faults = read_task(mapping, settings)
    if task is None or task.compensate is not None:
        raise refusal([*faults, *_lone_faults(mapping)])
    if stencil is not None:
        stencil.keep(mapping, task)
    return task


def tasks_of(items: object, *, settings: Settings = DEFAULTS) -> tuple[Task, ...]:
    """Return the tasks of a batch, in their order; pointers start with `/tasks`.

    Dependencies that are no key of the batch are left to whoever knows the database.

    Raises:
        InvalidError: no tasks, too many, one of them is wrong, or a key stands twice.
        CycleError: tasks of the batch wait for one another.
    """
    tasks, faults = read_tasks(items, settings)
    if not faults:
        keys = [task.key for task in tasks]
        needs = [task.dependencies for task in tasks]
        faults = [*twice("key", keys)] or [*cycle_faults(keys, needs)]
    if faults:
        raise refusal(faults)
    return tuple(tasks)


def bare_call(name: str, settings: Settings) -> Task:
    """Return the task that calls a registered function of this name and says no more.

    It has nothing that could be wrong, so that it needs no judgement: a process that submits no
    other task is spared the validators, which are built at their first use (3 MiB and a moment).
    """
    arguments = {"task": name, "args": {}}
    completed = completed_task({"type": "inline", "name": name, "arguments": arguments}, settings)
    completed["timeout_s"] = float(completed["timeout_s"])
    if "retry" in completed:
        completed["retry"] = Retry.model_construct(**completed["retry"])
    return Task.model_construct(**completed)


def _lone_faults(given: object) -> Iterator[Fault]:
    """Yield what only a task of a workflow can say."""
    if isinstance(given, Mapping) and given.get("compensate") is not None:
        detail = "is for a task of a workflow: it is a run that takes back what it did"
        yield Fault("/compensate", detail)


def read_task(given: object, settings: Settings, under: Path = ()) -> Reading:
    """Read one task; pointers of faults start at *under*."""
    if not isinstance(given, Mapping):
        detail = f"a task must be an object, not {kind_of(given)}"
        return Reading(None, (Fault(pointer_of(under), detail),))
    completed = completed_task(given, settings)
    parts = parted(completed, under, reader(settings)) if has_parts(completed) else None
    plain, beside, faults = (completed, {}, []) if parts is None else parts
    task = None
    try:
        task = Task.read(plain)
    except ValidationError as error:
        faults += faults_of(error, Task, under=under)
    if "exclusive" in completed:
        faults.append(Fault(pointer_of((*under, "exclusive")), unknown_field("exclusive", {})))
    judged = judge(completed.get("type"), completed.get("arguments"), settings)
    if judged.faults:
        start = pointer_of((*under, "arguments"))
        faults += (Fault(start + pointer, detail) for pointer, detail in judged.faults)
    if faults or task is None:
        return Reading(None, tuple(faults))
    if judged.has_expressions:
        beside["has_expressions"] = True
    if beside:
        task = task.beside(**beside)
    return Reading(task.with_text(judged.text), ())


def reader(settings: Settings) -> Callable[[object, Path], Reading]:
    """Return what reads one task by these settings."""
    return lambda given, under: read_task(given, settings, under)


def read_tasks(
    items: object, settings: Settings, common: Mapping[str, object] | None = None
) -> tuple[list[Task], list[Fault]]:
    """Read a list of tasks; *common* completes those that do not say otherwise."""
    if not isinstance(items, list | tuple):
        return [], [Fault("/tasks", f"must be a list, not {kind_of(items)}")]
    if not items or len(items) > settings.tasks_max:
        detail = f"more than {settings.tasks_max:,} tasks" if items else "must not be empty"
        return [], [Fault("/tasks", detail)]
    tasks: list[Task] = []
    faults: list[Fault] = []
    stencil = Stencil(settings)
    for at, item in enumerate(items):
        given = {**common, **item} if common and isinstance(item, Mapping) else item
        task = stencil.read(given)
        if task is None:
            task, found = read_task(given, settings, ("tasks", at))
            faults += found
            stencil.keep(given, task)
        if task is not None:
            tasks.append(task)
        if len(faults) >= FAULTS_MAX:
            faults.append(Fault("/tasks", f"{FAULTS_MAX} faults or more; these are the first"))
            break
    return tasks, faults


def twice(field: str, names: Iterable[str | None]) -> Iterator[Fault]:
    """Yield the names that an earlier task has."""
    seen: dict[str, int] = {}
    for at, name in enumerate(names):
        if name is None:
            continue
        if name in seen:
            detail = f"`{name}` is already the {field} of task {seen[name] + 1}"
            yield Fault(f"/tasks/{at}/{field}", detail)
        seen.setdefault(name, at)


def cycle_faults(names: Sequence[str | None], needs: Iterable[Sequence[str]]) -> Iterator[Fault]:
    """Yield the cycle, if tasks wait for one another by these names."""
    graph = {
        name: needed
        for name, needed in zip(names, needs, strict=True)
        if name is not None and needed
    }
    cycle = find_cycle(graph)
    if cycle is not None:
        ring = " -> ".join((*cycle, cycle[0]))
        pointer = f"/tasks/{names.index(cycle[0])}/dependencies"
        yield CycleFault(pointer, f"tasks wait for one another: {ring}")


class CycleFault(Fault):
    """A fault that is a cycle."""


class UnknownDependencyFault(Fault):
    """A fault that is a name which no task has."""


def refusal(faults: Iterable[Fault]) -> InvalidError:
    """Return the error for these faults, or the first of many, of the kind that all are."""
    found = tuple(islice(faults, REFUSED_MAX + 1))
    if len(found) > REFUSED_MAX:
        found = (*found[:-1], Fault("", f"{REFUSED_MAX:,} faults or more; these are the first"))
    text = "; ".join(f"{pointer}: {detail}" if pointer else detail for pointer, detail in found)
    if all(isinstance(fault, CycleFault) for fault in found):
        return CycleError(text, found)
    if all(isinstance(fault, UnknownDependencyFault) for fault in found):
        return UnknownDependencyError(text, found)
    return InvalidError(text, found)
