"""Exposure: who can reach a server at all, decided before it listens."""

import ipaddress
from collections.abc import Sequence

from tipman.errors import InvalidError

from tipman_api.origins import checked_host


def check_exposure(
    host: str, *, has_auth: bool, allows_remote: bool, allowed_hosts: Sequence[str]
) -> None:
    """Let a server listen on *host*, an address or a name.

    Loopback needs nothing. Anything else must be asked for, with a token and with the names that
    it will be called by.

    Raises:
        InvalidError: it would be open to more than it may be.

    >>> check_exposure("127.0.0.1", has_auth=True, allows_remote=False, allowed_hosts=())
    """
    for name in allowed_hosts:
        checked_host(name)
    if not has_auth and (allowed_hosts or not is_loopback_address(host)):
        raise InvalidError(
            "`--auth off` lets everybody do everything: it goes with loopback only,"
            " and without `--allowed-host`"
        )
    if is_loopback_address(host):
        return
    if not allows_remote:
        raise InvalidError(f"{host!r} is reachable from elsewhere: ask for it by `--allow-remote`")
    if not allowed_hosts:
        raise InvalidError(
            "`--allow-remote` needs the names that clients will use: `--allowed-host NAME`"
        )


def is_loopback_address(host: str) -> bool:
    """Tell whether only this machine reaches an address.

    >>> is_loopback_address("localhost"), is_loopback_address("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
