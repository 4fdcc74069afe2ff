"""Workflow files: read, judged, and every fault named with its place."""

from collections.abc import Mapping
from pathlib import Path

from tipman.definitions.schemas import faults_by, schema_faults
from tipman.definitions.tasks import DEFAULTS
from tipman.definitions.workflows import Workflow, workflow_of
from tipman.errors import Fault, InvalidError
from tipman.files import Document, Format, read_bytes, read_file
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
    """Return the workflow in a file, named after the file if it has no name.

    *schema* is a file with a JSON Schema that the workflow file must satisfy as well.
    *parameters* take the place of values of its `input`, before that is judged.

    Raises:
        InvalidFileError: a file can not be used; `placed` names every fault with its place.
    """
    document = _read(path, settings)
    faults = [] if schema is None else [*faults_by(_schema(schema, settings), document.value)]
    value = _with_input(document.value, parameters) if parameters else document.value
    return _workflow(document, value, path.stem, settings, faults)


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


def _workflow(
    document: Document, value: Json, name: str, settings: Settings, known: list[Fault]
) -> Workflow:
    """Return the workflow, unless it or the text or what is *known* of it has faults."""
    workflow: Workflow | None = None
    faults = known
    try:
        workflow = workflow_of(value, default_name=name, settings=settings)
    except InvalidError as error:
        faults = [*known, *error.faults]
    document.refuse(faults)
    assert workflow is not None  # noqa: S101 - it was refused otherwise
    return workflow
