"""Words for parameters: the input of a workflow, or single values of it as `K=V`."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from tipman.errors import InvalidError


class Parameter(click.ParamType[tuple[str, Any]]):
    """`K=V`, the value as JSON where it is JSON, else as text."""

    name = "K=V"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Return name and value."""
        from tipman.jsontext import loads  # noqa: PLC0415 - only who has a parameter pays for it

        key, equals, text = value.partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not K=V", param, ctx)
        with suppress(InvalidError):
            return key, loads(text)
        return key, text


parameter_option = click.option(
    "--param",
    "parameters",
    type=Parameter(),
    multiple=True,
    help="Set a value of the workflow's input; the value is JSON, or else text. May be repeated.",
)
input_option = click.option(
    "--input",
    "given",
    metavar="JSON|@FILE",
    help="Values in place of the workflow's own: JSON, or a file of JSON, YAML or TOML.",
)


def input_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input that options say, single values over the others.

    Raises:
        UsageError: it is no JSON, or no object.
        InvalidFileError: the file can not be read.
    """
    text: str | None = given["given"]
    value: Any = {}
    if text is not None and text.startswith("@"):
        from tipman.files import read_file  # noqa: PLC0415 - only who names a file pays for it

        value = read_file(Path(text[1:])).value
    elif text is not None:
        from tipman_api.commands.options import json_value  # noqa: PLC0415 - as above

        value = json_value(text, "--input")
    if not isinstance(value, dict):
        raise click.UsageError("--input must be an object.")
    return {**value, **dict(given["parameters"])}
