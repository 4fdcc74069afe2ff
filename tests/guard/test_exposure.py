"""Who can reach a server at all: loopback, or what was asked for in so many words."""

import pytest
from tipman.errors import InvalidError
from tipman_api.exposure import check_exposure

NAMED = {"allows_remote": True, "allowed_hosts": ["tipman.example"]}
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "localhost"]
ELSEWHERE = ["0.0.0.0", "::", "192.168.1.2", "tipman.example", "localhost.example", ""]  # noqa: S104 - never bound


def check(host, *, has_auth=True, allows_remote=False, allowed_hosts=()):
    check_exposure(
        host, has_auth=has_auth, allows_remote=allows_remote, allowed_hosts=allowed_hosts
    )


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_needs_nothing(host):
    check(host)
    check(host, has_auth=False)
    check(host, **NAMED)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_anything_else_needs_to_be_asked_for_with_a_token_and_a_name(host):
    check(host, **NAMED)
    with pytest.raises(InvalidError, match="--allow-remote"):
        check(host)
    with pytest.raises(InvalidError, match="--allow-remote"):
        check(host, allowed_hosts=["tipman.example"])
    with pytest.raises(InvalidError, match="--allowed-host"):
        check(host, allows_remote=True)
    with pytest.raises(InvalidError, match="--auth off"):
        check(host, has_auth=False, **NAMED)


def test_without_a_token_no_other_name_leads_here():
    with pytest.raises(InvalidError, match="--auth off"):
        check("127.0.0.1", has_auth=False, **NAMED)


@pytest.mark.parametrize(
    "name", ["*", "*.example", "http://x", "x/y", "", "a b", "x:y", "x:123456", ".example", "a,b"]
)
def test_an_allowed_host_is_one_exact_name(name):
    with pytest.raises(InvalidError, match="is no host name"):
        check("127.0.0.1", allowed_hosts=[name])
