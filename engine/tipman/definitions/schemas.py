"""Values judged by a JSON Schema (draft 2020-12)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tipman.errors import Fault
from tipman.jsontext import pointer_of

FAULTS_MAX = 100
_SHOWN_MAX = 200


def schema_faults(schema: Any) -> Iterator[Fault]:
    """Yield why a value is no JSON Schema."""
    # Most workflows have no schema, and the library takes 8 MiB and 50 ms.
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see above

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        detail = f"is no JSON Schema: {_shown(error.message)}"
        yield Fault(pointer_of(error.absolute_path), detail)


def faults_by(schema: Any, value: object) -> Iterator[Fault]:
    """Yield what a schema refuses in a value. References to other documents are not followed."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - as above
    from referencing import Registry  # noqa: PLC0415 - as above
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - as above

    judge = Draft202012Validator(schema, registry=Registry())
    try:
        for fault in islice(judge.iter_errors(value), FAULTS_MAX):
            yield Fault(pointer_of(fault.absolute_path), _shown(fault.message))
    except Unresolvable as error:
        yield Fault("", f"the schema refers to {error.ref!r}, which is not in it")


def below(start: str, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield faults with their pointers below another."""
    return (Fault(start + pointer, detail) for pointer, detail in faults)


def _shown(message: str) -> str:
    return message if len(message) <= _SHOWN_MAX else message[:_SHOWN_MAX] + "…"
