"""Workflow and schedule files: read, judged, and every fault named with its place."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from tipman.definitions.parameters import unused_parameters
from tipman.definitions.readings import unknown_readings
from tipman.definitions.schedules import TARGETS, TRIGGERS
from tipman.definitions.schemas import below, faults_absent, faults_by, schema_faults
from tipman.definitions.tasks import DEFAULTS
from tipman.definitions.timing import check_schedule
from tipman.definitions.workflows import Workflow, workflow_of
from tipman.errors import Fault, InvalidError
from tipman.files import Document, Format, PlacedFault, read_bytes, read_file
from tipman.jsontext import Json
from tipman.settings import Settings

_NONE: Mapping[str, Json] = {}


def load_workflow(
    path: Path,
    *,
    schema: Path | None = None,
    parameters: Mapping[str, Json] = _NONE,
    settings: Settings = DEFAULTS,
) -> Workflow:
    """Return the workflow in a file, to be run: named after the file if it has no name.

    *schema* is a file with a JSON Schema that the workflow file must satisfy as well.
    *parameters* take the place of values of its `input`, before that is judged.

    Raises:
        InvalidFileError: a file can not be used; `placed` names every fault with its place.
    """
    document = _read(path, settings)
    faults = [] if schema is None else [*faults_by(_schema(schema, settings), document.value)]
    value = _with_input(document.value, parameters) if parameters else document.value
    faults += _missing_input(value)
    return _workflow(document, value, path.stem, settings, faults)


def read_workflow(path: Path, *, settings: Settings = DEFAULTS) -> Workflow:
    """Return the workflow in a file, to be kept or drawn: its input may still lack something.

    Raises:
        InvalidFileError: the file can not be used; `placed` names every fault with its place.
    """
    document = _read(path, settings)
    return _workflow(document, document.value, path.stem, settings, [])


def load_schedules(path: Path, *, settings: Settings = DEFAULTS) -> Sequence[Mapping[str, Json]]:
    """Return the schedules in a file: one, a list of them, or a list below `schedules`.

    They are as they stand there, known to be right.

    Raises:
        InvalidFileError: the file can not be used; `placed` names every fault with its place.
    """
    return _schedules(_read(path, settings), settings)


def check_file(path: Path, *, settings: Settings = DEFAULTS) -> Sequence[PlacedFault]:
    """Judge a file of schedules, or else one of a workflow; return what is odd and not wrong.

    Raises:
        InvalidFileError: the file can not be used; `placed` names every fault with its place.
    """
    document = _read(path, settings)
    if _has_schedules(document.value):
        _schedules(document, settings)
        return ()
    workflow = _workflow(document, document.value, path.stem, settings, [])
    notes = chain(unused_parameters(workflow), unknown_readings(workflow))
    return document.placed(islice(notes, _NOTES_MAX))


def workflow_from_text(
    text: str | bytes, *, name: str, format_: Format | None = None, settings: Settings = DEFAULTS
) -> Workflow:
    """Return the workflow that a text says; *name* is its default name and the file's in faults.

    Raises:
        InvalidFileError: it can not be used; `placed` names every fault with its place.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    document = read_bytes(data, file=name, format_=format_, depth_max=settings.depth_max)
    return _workflow(document, document.value, name, settings, [])


def _read(path: Path, settings: Settings) -> Document:
    return read_file(path, bytes_max=settings.body_bytes_max, depth_max=settings.depth_max)


def _schema(path: Path, settings: Settings) -> object:
    document = _read(path, settings)
    document.refuse(schema_faults(document.value))
    return document.value


def _with_input(value: Json, parameters: Mapping[str, Json]) -> Json:
    given = value.get("input", {}) if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(given, dict):
        return value
    return {**value, "input": {**given, **parameters}}


def _missing_input(value: Json) -> Iterator[Fault]:
    """Yield what the input lacks, where its schema is one."""
    schema = value.get("input_schema") if isinstance(value, dict) else None
    given = value.get("input", {}) if isinstance(value, dict) else None
    if isinstance(schema, dict) and isinstance(given, dict) and not [*schema_faults(schema)]:
        yield from below("/input", faults_absent(schema, given))


def _workflow(
    document: Document, value: Json, name: str, settings: Settings, known: list[Fault]
) -> Workflow:
    """Return the workflow, unless it or the text or what is *known* of it has faults."""
    workflow: Workflow | None = None
    faults = known
    try:
        workflow = workflow_of(value, default_name=name, settings=settings)
    except InvalidError as error:
        faults = [*known, *_of_stem(error.faults, value)]
    document.refuse(faults)
    assert workflow is not None  # noqa: S101 - it was refused otherwise
    return workflow


def _of_stem(faults: Iterable[Fault], value: Json) -> Iterator[Fault]:
    """Yield faults, and say of a name that no one wrote where it comes from."""
    has_name = not isinstance(value, dict) or "name" in value
    for fault in faults:
        if fault.pointer == "/name" and not has_name:
            yield Fault("/name", f"is missing, and the file's own will not do: it {fault.detail}")
        else:
            yield fault


_NOTES_MAX = 100
_SCHEDULES = "schedules"


def _has_schedules(value: Json) -> bool:
    if isinstance(value, dict):
        return "tasks" not in value and any(n in value for n in (_SCHEDULES, *TRIGGERS, *TARGETS))
    return isinstance(value, list)


def _schedules(document: Document, settings: Settings) -> Sequence[Mapping[str, Json]]:
    value = document.value
    faults: list[Fault] = []
    if isinstance(value, dict) and "tasks" in value:
        detail = "this is of a workflow; `tipman workflow add` makes the schedule it speaks of"
        faults.append(Fault("/tasks", detail))
    items: dict[str, Json] = {"": value}
    if isinstance(value, list):
        items = {f"/{at}": item for at, item in enumerate(value)}
    elif isinstance(value, dict) and _SCHEDULES in value:
        listed = value[_SCHEDULES]
        faults += (Fault(f"/{n}", "stands beside `schedules`") for n in value if n != _SCHEDULES)
        if not isinstance(listed, list):
            faults.append(Fault(f"/{_SCHEDULES}", "must be a list"))
        else:
            items = {f"/{_SCHEDULES}/{at}": item for at, item in enumerate(listed)}
    document.refuse(faults)
    if not items:
        document.refuse([Fault("", "has no schedules")])
    document.refuse(_faults_of_schedules(items, settings))
    return [item for item in items.values() if isinstance(item, dict)]


def _faults_of_schedules(items: Mapping[str, Json], settings: Settings) -> Iterator[Fault]:
    keys: dict[object, str] = {}
    for pointer, item in items.items():
        try:
            check_schedule(item, settings=settings)
        except InvalidError as error:
            yield from below(pointer, error.faults)
        key = item.get("key") if isinstance(item, dict) else None
        if isinstance(key, str) and keys.setdefault(key, pointer) != pointer:
            yield Fault(f"{pointer}/key", f"`{key}` is already the key of another")
