"""Words for parameters: `K=V`, a value of a workflow's input."""

from contextlib import suppress
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
