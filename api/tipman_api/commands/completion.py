"""Completion: what a shell needs to complete the words of `tipman`."""

import click

from tipman_api.outlet import standard_output

VARIABLE = "_TIPMAN_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in SHELL.

    For bash: `eval "$(tipman completion bash)"` in ~/.bashrc; for zsh the same with zsh in
    ~/.zshrc; for fish: `tipman completion fish > ~/.config/fish/completions/tipman.fish`.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - used only here

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not known here")
    script = kind(context.find_root().command, {}, "tipman", VARIABLE)
    outlet = standard_output()
    outlet.line((script.source_template % script.source_vars()).strip())
    outlet.flush()
