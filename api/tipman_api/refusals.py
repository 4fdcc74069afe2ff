"""Refusals: how the client's errors differ from those of an engine in this process."""

from collections.abc import Mapping
from typing import Any

from tipman.errors import TipmanError

from tipman_api.tables import printable

_UNAUTHORIZED = 401


class NoServerError(TipmanError):
    """No server answers, or it went away before it had."""

    code = "no_server"


class RefusedError(TipmanError):
    """The server refused a request; `status` and `members` are those of its problem."""

    code = "refused"

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        super().__init__(_words(status, members))
        self.status = status
        self.members = members

    @property
    def problem_code(self) -> str:
        """The stable code of the problem."""
        return str(self.members.get("code", ""))


class ForeignAnswerError(RefusedError):
    """A refusal that no Tipman server said: another one has its address, or stands before it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, {"detail": f"no Tipman server answered: {status} {reason}"})


def _words(status: int, members: Mapping[str, Any]) -> str:
    said = members.get("detail") or members.get("title") or f"refused with status {status}"
    # A server that is not ours may say what a terminal would obey.
    words = printable(str(said))
    if status == _UNAUTHORIZED:
        return f"{words} (the token comes from --token, TIPMAN_TOKEN or the server's --home)"
    return words
