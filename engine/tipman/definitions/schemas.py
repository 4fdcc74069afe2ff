"""Values judged by a JSON Schema (draft 2020-12)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tipman.errors import Fault
from tipman.jsontext import pointer_of

FAULTS_MAX = 100
_SHOWN_MAX = 200
_MENDABLE = frozenset(
    {"required", "minProperties", "dependentRequired", "dependencies", "anyOf", "oneOf"}
)
"""Words of a schema that an object may satisfy once it has more members."""


def schema_faults(schema: Any) -> Iterator[Fault]:
    """Yield why a value is no JSON Schema."""
    # Most workflows have no schema, and the library takes 8 MiB and 50 ms.
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see above

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        detail = f"is no JSON Schema: {_shown(error.message)}"
        yield Fault(pointer_of(error.absolute_path), detail)
    except RecursionError:
        yield Fault("", "is no JSON Schema that can be judged: it is nested too deep")


def faults_by(schema: Any, value: object) -> Iterator[Fault]:
    """Yield what a schema refuses in a value. References to other documents are not followed."""
    return (fault for _, fault in _judged(schema, value))


def faults_present(schema: Any, value: object) -> Iterator[Fault]:
    """Yield what a schema refuses in what an object has, whatever else it may get."""
    return (fault for is_absence, fault in _judged(schema, value) if not is_absence)


def faults_absent(schema: Any, value: object) -> Iterator[Fault]:
    """Yield what a schema refuses because an object has too little; the rest of `faults_by`."""
    return (fault for is_absence, fault in _judged(schema, value) if is_absence)


def _judged(schema: Any, value: object) -> Iterator[tuple[bool, Fault]]:
    """Yield faults, each with whether more members of the object itself could mend it."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - as above
    from referencing import Registry  # noqa: PLC0415 - as above
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - as above

    judge = Draft202012Validator(schema, registry=Registry())
    try:
        for fault in islice(judge.iter_errors(value), FAULTS_MAX):
            is_absence = not fault.absolute_path and fault.validator in _MENDABLE
            yield is_absence, Fault(pointer_of(fault.absolute_path), _shown(fault.message))
    except Unresolvable as error:
        yield False, Fault("", f"the schema refers to {error.ref!r}, which is not in it")
    except RecursionError:
        yield False, Fault("", "the schema refers to itself without end, or is nested too deep")
    except OverflowError:
        yield False, Fault("", "a number is too large for the `multipleOf` of the schema")


def below(start: str, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield faults with their pointers below another."""
    return (Fault(start + pointer, detail) for pointer, detail in faults)


def _shown(message: str) -> str:
    return message if len(message) <= _SHOWN_MAX else message[:_SHOWN_MAX] + "…"
