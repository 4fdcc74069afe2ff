"""The first code of the single program, which is the command line and two helpers in one.

The engine runs its own executable again as the nursery that holds attempts' processes and as the
interpreter of `eval` tasks; both are imported only then, and neither imports the other's world.
"""

import sys


def main() -> None:
    """Be what the first argument says, by default the command line."""
    match sys.argv[1:]:
        case ["--nursery", *arguments]:
            from tipman.executors import nursery  # noqa: PLC0415 - see above

            nursery.main(arguments)
        case ["--interpreter", descriptor]:
            from tipman.executors import child  # noqa: PLC0415 - see above

            child.main(int(descriptor))
        case _:
            from tipman_api.cli import main as run_command_line  # noqa: PLC0415 - see above

            run_command_line()


if __name__ == "__main__":
    main()
