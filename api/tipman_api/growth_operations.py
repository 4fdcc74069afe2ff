"""Operations that let runs grow and fork: what each takes and gives, for checks and the page."""

from collections.abc import Mapping
from typing import Any

from tipman.definitions.shapes import Key, Label, Shape

from tipman_api.operations import (
    IF_NONE_MATCH,
    LOCATION,
    NAMESPACE,
    NOT_FOUND,
    REFERENCE,
    WAIT,
    gives,
    shows,
    takes,
)
from tipman_api.problems import documented
from tipman_api.registry_lists import PAGING
from tipman_api.schemas import TEXT, Schema, maybe, object_of, page_of, ref


class AddedTasks(Shape):
    """Tasks to be added to a run."""

    tasks: list[Any]


class AddedDependencies(Shape):
    """Dependencies to be added to a run."""

    dependencies: list[Any]


class Fork(Shape):
    """How a run is to be forked."""

    from_task: Label | None = None
    input: dict[str, Any] | None = None
    key: Key | None = None


_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
COMPONENTS: Mapping[str, Schema] = {
    "AddedTasks": object_of(
        {
            "tasks": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object"},
                "description": "as in a workflow file",
            }
        }
    ),
    "AddedDependencies": object_of(
        {
            "dependencies": {
                "type": "array",
                "minItems": 1,
                "items": object_of(
                    {
                        "task": _NAME,
                        "dependencies": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "anyOf": [
                                    _NAME,
                                    object_of(
                                        {
                                            "task": _NAME,
                                            "carry": {"type": "string", "enum": ["data", "order"]},
                                        },
                                        optional=["carry"],
                                    ),
                                ]
                            },
                        },
                    }
                ),
            }
        }
    ),
    "RunDependency": object_of(
        {
            "task": TEXT,
            "dependency": TEXT,
            "carry": {"type": "string", "enum": ["data", "order"]},
        }
    ),
    "RunDependencyPage": page_of(ref("RunDependency")),
    "Fork": object_of(
        {
            "from_task": maybe(
                "string",
                minLength=1,
                maxLength=200,
                description="the name of a task: this and what is below it runs anew",
            ),
            "input": maybe("object", description="in place of values of the old run's"),
            "key": maybe("string", minLength=1, maxLength=200),
        },
        optional=("from_task", "input", "key"),
    ),
}

_WHERE = [REFERENCE, NAMESPACE]
_GROWS = documented(
    ["invalid", "unknown_dependency", "cycle", "not_found", "conflict", "quota_reached"]
)
ADD_TASKS: dict[str, Any] = {
    "openapi_extra": takes(
        "AddedTasks",
        {"tasks": [{"name": "more", "type": "exec", "arguments": "true"}]},
        _WHERE,
    ),
    "responses": {**gives(202, "They are on disk, in the order given.", "TaskItems"), **_GROWS},
}
LIST_DEPENDENCIES: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_WHERE, IF_NONE_MATCH, *PAGING]},
    "responses": {**shows("Who waits for whom, by names.", "RunDependencyPage"), **NOT_FOUND},
}
ADD_DEPENDENCIES: dict[str, Any] = {
    "openapi_extra": takes(
        "AddedDependencies",
        {"dependencies": [{"task": "tell", "dependencies": ["more"]}]},
        _WHERE,
    ),
    "responses": {**gives(202, "The run as it is after the commit.", "Run"), **_GROWS},
}
FORK: dict[str, Any] = {
    "openapi_extra": takes(
        "Fork",
        {"from_task": "test", "input": {"day": "monday"}},
        [*_WHERE, WAIT],
        is_required=False,
    ),
    "responses": {
        **gives(202, "It is on disk.", "Run", headers=LOCATION),
        **gives(200, "It has settled within the wait.", "Run", headers=LOCATION),
        **documented(["invalid", "not_found", "conflict", "key_exists", "quota_reached"]),
    },
}
