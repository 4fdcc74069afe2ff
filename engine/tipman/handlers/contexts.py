"""What tasks see of those before them: the merge of their contexts, and their results."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tipman.context import Context, Resolution, values_of
from tipman.definitions import Task
from tipman.errors import MergeConflictError
from tipman.events import Failure
from tipman.ids import parse
from tipman.instances import Instance
from tipman.jsontext import dumps, parsed
from tipman.lineage import ADDING, View, data_of, kept_text, saw_of
from tipman.runs.writers import keys_of
from tipman.tipman import TIPMan
from tipman.triggers import EARLY


class Sight(NamedTuple):
    """What a task sees: the names that expressions and code know, and what was merged for it."""

    names: Mapping[str, Any]
    resolved: Sequence[Resolution] = ()


def values_for_rule(instance: Instance, directory: TIPMan) -> dict[str, Any]:
    """Return what the keys of a rule are looked up in: the context, and `results` beside it.

    Raises:
        MergeConflictError: two tasks gave a key of the context a value.
    """
    seen = look(instance, directory).names
    return {**seen["context"], "results": seen["results"]}


def seen_by(instance: Instance, directory: TIPMan) -> Mapping[str, Any]:
    """Return what a task sees: `context`, and the `results` of its dependencies by name.

    An item of a map sees what the map sees, and its `item` and `index`.

    Raises:
        MergeConflictError: two tasks gave a key of the context a value.
    """
    return look(instance, directory).names


def look(instance: Instance, directory: TIPMan) -> Sight:
    """Return what a task sees, and how conflicts in it were decided.

    Raises:
        MergeConflictError: two tasks gave a key of the context a value.
    """
    task = directory.task_of(instance)
    if instance.parent is not None and task.item is not None:
        seen = _seen_by_map(instance.parent, directory)
        return Sight({**seen, "item": task.item["value"], "index": task.item["index"]})
    view = _view(instance, task, directory)
    context = dict(sorted(values_of(view.context).items()))
    return Sight({"context": context, "results": dict(view.results)}, view.resolved)


def is_to_look(instance: Instance, directory: TIPMan) -> bool:
    """Tell whether a task may not go on unseen: in it values of one key may meet."""
    if instance.run is None or not directory.lineage.writers.is_contested(instance.run):
        return False
    return len(directory.edges.dependencies_of(instance)) > 1


def note_added(instance: Instance, task: Task, text: str | None, directory: TIPMan) -> None:
    """Keep what a task has added that succeeded: *text* if it is an `exec` task's, or its result.

    Only what an `exec` task adds is kept by itself; of the others it is their result.
    """
    if text is None or text == "null":
        return
    value = parsed(text) if text[0] == "{" else text
    if task.type not in ADDING:
        kept = kept_text(parsed(text), _saw(instance, task, directory))
        directory.runs.keep_context(instance.id, kept)
    if instance.run is None or instance.parent is not None:
        return
    keys = keys_of(instance.name, value)
    writers = directory.lineage.writers
    if keys and not writers.has_any(instance.run):
        directory.runs.keep_context(instance.run, "{}")
    writers.note(instance.run, instance.id, keys)


def keep_what_was_seen(instance: Instance, directory: TIPMan) -> None:
    """Keep what a task saw that goes on, because what it depends on is still to change.

    So it is for one that starts before all its dependencies have settled, and for one that stays
    as it is when a dependency opens again.
    """
    task = directory.task_of(instance)
    kept = directory.runs.contexts_of((instance.id,)).get(instance.id)
    if saw_of(kept) is not None:
        return
    needs = data_of(directory.edges.dependencies_of(instance), task.options)
    if instance.dependencies_remaining:
        needs = [each.id for each in _settled_among(needs, directory)]
    _keep(needs, kept, instance, task, directory)


def keep_of_the_settled(instance: Instance, directory: TIPMan) -> None:
    """Keep what a task sees that is opened again before all that it depends on has settled."""
    task = directory.task_of(instance)
    needs = data_of(directory.edges.dependencies_of(instance), task.options)
    settled = [each.id for each in _settled_among(needs, directory)]
    kept = directory.runs.contexts_of((instance.id,)).get(instance.id)
    if len(settled) < len(needs) and saw_of(kept) is None:
        _keep(settled, kept, instance, task, directory)


def _settled_among(needs: Sequence[bytes], directory: TIPMan) -> list[Instance]:
    directory.prefetch(needs)
    found = [directory.find(need) for need in needs]
    return [each for each in found if each is not None and each.is_settled]


def _keep(
    needs: Sequence[bytes],
    kept: str | None,
    instance: Instance,
    task: Task,
    directory: TIPMan,
) -> None:
    seen = directory.lineage.seen_agreed(needs, instance.run, task.options)
    added = None if kept is None else parsed(kept).get("added")
    directory.runs.keep_context(instance.id, kept_text(added, seen))


def forget_what_was_seen(instance: Instance, directory: TIPMan) -> None:
    """Let a task that waits again look anew."""
    kept = directory.runs.contexts_of((instance.id,)).get(instance.id)
    if saw_of(kept) is not None:
        directory.runs.keep_context(instance.id, "{}")


def conflict_failure(error: MergeConflictError, directory: TIPMan) -> Failure:
    """Return a conflict as the failure of the task that met it; the tasks are named."""
    first, second = (_called(writer, directory) for writer in (error.first, error.second))
    words = (
        f"{first} and {second} both gave {error.key!r} a value;"
        " let one depend on the other, or say in `merge` which counts"
    )
    return Failure(error.code, words, matches=(error.code,))


def resolutions_text(resolved: Sequence[Resolution], directory: TIPMan) -> str:
    """Return how conflicts were decided, as JSON text for a log line."""
    return dumps(
        [
            {
                "key": each.key,
                "policy": each.policy,
                "tasks": [_name(writer, directory) for writer in each.writers],
            }
            for each in resolved
        ]
    )


def _view(instance: Instance, task: Task, directory: TIPMan) -> View:
    needs = data_of(directory.edges.dependencies_of(instance), task.options)
    lineage, run = directory.lineage, instance.run
    if run is not None and not lineage.writers.has_any(run):
        return View(lineage.base(run), _results(needs, directory))
    saw = _saw(instance, task, directory)
    if saw is not None:
        return View(saw, _results(needs, directory))
    view = lineage.seen(needs, run, task.options)
    if needs and not instance.dependencies_remaining:
        lineage.remember(instance.id, view.context)
    return view


def _saw(instance: Instance, task: Task, directory: TIPMan) -> Context | None:
    """Return what a task saw, where that is kept; most have nothing that could be."""
    is_early = isinstance(task.when, str) and task.when in EARLY
    if not is_early and not instance.attempt:
        return None
    return saw_of(directory.runs.contexts_of((instance.id,)).get(instance.id))


def _seen_by_map(identifier: bytes, directory: TIPMan) -> Mapping[str, Any]:
    """Return what a map sees; all its items see the same, so it is looked up once."""
    brood = directory.offspring.of(identifier)
    if brood.seen is None:
        brood.seen = seen_by(directory.load(identifier), directory)
    return brood.seen


def _results(needs: Sequence[bytes], directory: TIPMan) -> dict[str, Any]:
    directory.prefetch(needs)
    # A task that is tried again after long may find that what it waited for was pruned.
    found = [directory.find(identifier) for identifier in needs]
    return directory.results_of([instance for instance in found if instance is not None])


def _called(writer: str, directory: TIPMan) -> str:
    name = _name(writer, directory)
    return "the input" if name is None else f"`{name}`"


def _name(writer: str, directory: TIPMan) -> str | None:
    found = directory.find(parse(writer) or b"")
    return None if found is None or found.kind != "task" else found.name
