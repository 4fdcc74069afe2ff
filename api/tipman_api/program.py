"""The program's table of commands: each by section, with its line of help and its place.

A command's module is imported when the command is called; `tipman --help` imports none.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """One command: a module of `tipman_api.commands`, the name in it, and what it does."""

    module: str
    attribute: str
    help: str
    """The first line of the command's own help, which is not imported for this."""


SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Files": {
        "run": Entry("files", "run", "Run the workflow in FILE to its end, without a server."),
        "validate": Entry(
            "files", "validate", "Check workflow and schedule files, and name every fault."
        ),
        "draw": Entry(
            "pictures", "draw", "Draw the graph of a workflow FILE, or of a RUN with its states."
        ),
    },
    "The server": {
        "serve": Entry("serving", "serve", "Serve engine and REST on one address, until Ctrl-C."),
    },
    "What runs": {
        "submit": Entry("submission", "submit", "Submit a task, and print its UUID."),
        "list": Entry("instances", "list_tasks", "List tasks, or runs with --kind run."),
        "show": Entry("instances", "show", "Show everything of an instance."),
        "logs": Entry(
            "logs",
            "logs",
            "Print what a task wrote, byte for byte, or all of a run.",
        ),
        "events": Entry("events", "events", "Print the event log, of one instance or of all."),
        "explain": Entry("instances", "explain", "Say what an instance waits for."),
        "cancel": Entry(
            "requests", "cancel", "Cancel instances: what runs is ended with all that it started."
        ),
        "suspend": Entry(
            "requests",
            "suspend",
            "Suspend instances, once what runs has ended.",
        ),
        "resume": Entry("requests", "resume", "Resume suspended instances."),
        "retry": Entry(
            "requests", "retry", "Open again what failed, was cancelled, abandoned or skipped."
        ),
        "fork": Entry(
            "runs",
            "fork",
            "Run again what a run did, from one of its tasks on.",
        ),
        "send": Entry(
            "requests", "send", "Send an event to an instance, such as finish.reported."
        ),
    },
    "What it knows": {
        "schedule": Entry(
            "schedules", "schedule", "Add, list, change, preview and import schedules."
        ),
        "workflow": Entry("workflows", "workflow", "Add, list, show, run and retire workflows."),
        "definition": Entry(
            "definitions", "definition", "Add, list, show and retire named tasks."
        ),
        "namespace": Entry(
            "namespaces", "namespace", "List, create, change and delete namespaces."
        ),
        "token": Entry("tokens", "token", "List, create and revoke tokens."),
    },
    "Looking after it": {
        "prune": Entry("maintenance", "prune", "Remove what settled longer ago than is kept."),
        "backup": Entry(
            "maintenance", "backup", "Copy the database to FILE, also while it is served."
        ),
        "doctor": Entry(
            "maintenance", "doctor", "Look for what may be wrong, and say what to do about it."
        ),
        "verify": Entry(
            "maintenance",
            "verify",
            "Replay every event log against its state.",
        ),
        "migrate": Entry(
            "maintenance",
            "migrate",
            "Bring the database to this version, after a backup.",
        ),
    },
    "The program": {
        "completion": Entry(
            "completion",
            "completion",
            "Print a script that completes commands and options in SHELL.",
        ),
        "version": Entry(
            "versions", "version", "Print the versions of Tipman and of what it stands on."
        ),
    },
}


class Commands(click.Group):
    """A group that names what was probably meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order they are shown."""
        return [*self.commands]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called.

        Raises:
            UsageError: there is none; says which one is like it.
        """
        name = args[0]
        is_option = name.startswith("-")
        if not (ctx.resilient_parsing or is_option or name in self.list_commands(ctx)):
            from tipman.spelling import hint  # noqa: PLC0415 - only mistakes pay for it

            meant = hint(name, self.list_commands(ctx))
            raise click.UsageError(f"No such command '{name}'{meant or '.'}", ctx)
        return super().resolve_command(ctx, args)


class Program(Commands):
    """The commands of `SECTIONS`, each imported when it is first wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of their sections."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None when there is none of this name."""
        entry = next((s[cmd_name] for s in SECTIONS.values() if cmd_name in s), None)
        if entry is None:
            return None
        module = import_module(f"tipman_api.commands.{entry.module}")
        command: click.Command = getattr(module, entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, a line a command."""
        width = max(map(len, self.list_commands(ctx)))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(n.ljust(width), e.help) for n, e in section.items()])
