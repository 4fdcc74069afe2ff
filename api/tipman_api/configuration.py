"""Configuration: the settings that hold where a command is called."""

import os
from collections.abc import Mapping
from pathlib import Path

from tipman.errors import InvalidError
from tipman.settings import Settings, load

SETTINGS_FILE = Path("tipman.toml")


def settings_here(
    *, flags: Mapping[str, object], defaults: Mapping[str, object] | None = None
) -> Settings:
    """Return the settings of the current directory and environment, below *flags*.

    Raises:
        InvalidError: one of them can not be used, or the settings file can not be read.
    """
    try:
        toml = SETTINGS_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        toml = ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{SETTINGS_FILE} can not be read: {error}") from None
    return load(flags=flags, environ=os.environ, toml=toml, defaults=defaults)
