"""The parameters of a workflow: values of its input, and those that nothing speaks of."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tipman.definitions.expressions import texts_in
from tipman.definitions.workflows import Workflow
from tipman.errors import Fault
from tipman.jsontext import pointer_of

_READERS = ("tasks", "hooks")


def unused_parameters(workflow: Workflow) -> Iterator[Fault]:
    """Yield the parameters whose names stand in no text of a task, at their places.

    Code reads the context as it likes, so this is a hint and no fault: a name in a line of shell
    or Python counts as used, and what a program outside of the file reads can not be known.
    """
    places = _places(workflow)
    if not places:
        return
    given = workflow.given
    texts = "\n".join(text for part in _READERS for _, text in texts_in(given.get(part)))
    for name, pointer in places.items():
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", texts) is None:
            detail = f"no task names `{name}`; only code outside of this file could read it"
            yield Fault(pointer, detail)


def _places(workflow: Workflow) -> Mapping[str, str]:
    """Return where each parameter is first said, by name."""
    places: dict[str, str] = {}
    schema: Mapping[str, Any] = workflow.input_schema or {}
    properties = schema.get("properties", {})
    groups = (("input",), workflow.input), (("input_schema", "properties"), properties)
    for path, values in groups:
        for name in values if isinstance(values, Mapping) else ():
            places.setdefault(name, pointer_of((*path, name)))
    return places
