"""Values judged by a JSON Schema."""

from collections.abc import Iterator, Mapping
from itertools import islice

from tipman.errors import Fault
from tipman.jsontext import pointer_of

FAULTS_MAX = 100


def schema_faults(
    value: object, schema: Mapping[str, object], *, value_at: str = "", schema_at: str = ""
) -> Iterator[Fault]:
    """Yield what is wrong with the schema, or else with the value by it.

    *value_at* and *schema_at* start the pointers. References to other documents are not followed.
    """
    # Most workflows have no schema, and the library takes 8 MiB and 50 ms.
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see above
    from referencing import Registry  # noqa: PLC0415 - see above
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see above

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield Fault(
            schema_at + pointer_of(error.absolute_path), f"no JSON Schema: {error.message}"
        )
        return
    judge = Draft202012Validator(schema, registry=Registry())
    try:
        for fault in islice(judge.iter_errors(value), FAULTS_MAX):
            yield Fault(value_at + pointer_of(fault.absolute_path), fault.message)
    except Unresolvable as error:
        yield Fault(schema_at, f"a reference that leads nowhere: {error.ref}")
