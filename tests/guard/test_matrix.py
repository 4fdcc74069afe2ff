"""The authorisation matrix: every route, by every token, from every origin, as it is declared.

The rows come from the table of routes, so that a new one is tried by being there.
"""

from typing import NamedTuple

import pytest
from serving.served import Served
from tipman_api.app import create_app
from tipman_api.bridge import Bridge
from tipman_api.pages import PAGES
from tipman_api.principals import Scope
from tipman_api.problems import MEDIA_TYPE
from tipman_api.routes import OPEN, OPEN_PATHS, BodyRule, table_of
from tipman_api.serve import ServeOptions

REFERENCE = "matrix-task"
FOREIGN = "http://evil.example"
REFUSALS = {401, 403, 421}
LEVELS = {"none": 0, "wrong": 0, "read": 1, "operate": 2, "admin": 3}
ELSEWHERE = "elsewhere"
STREAM = {"Accept": "text/event-stream"}


class House(NamedTuple):
    """A server, its table of routes and the secrets of its tokens."""

    served: Served
    secrets: dict


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    home = tmp_path_factory.mktemp("matrix") / "home"
    with Served(home, options=ServeOptions()) as served:
        engine = served.engine
        engine.create_namespace(ELSEWHERE)
        secrets = {name: engine.create_token(name, name)[1] for name in ("read", "operate")}
        secrets["admin"] = (home / "token").read_text("utf-8").strip()
        secrets[ELSEWHERE] = engine.create_token(ELSEWHERE, "admin", namespace=ELSEWHERE)[1]
        secrets["wrong"] = "nobody"
        engine.submit_task({"type": "wait", "key": REFERENCE})
        yield House(served, secrets)


@pytest.fixture(scope="module")
def rules(house):
    app = create_app(Bridge(house.served.engine), house.served.settings)
    return list(table_of(app, PAGES))


def path_of(rule, house):
    """Fill a template: with the task that exists where one is read, else with nothing's name."""
    parts = []
    for part in rule.path.split("/"):
        if not part.startswith("{"):
            parts.append(part)
        elif rule.method == "GET" and rule.path.startswith("/api/v1/tasks"):
            parts.append(REFERENCE)
        elif rule.path.startswith("/api/v1/instances"):
            parts.append(house.served.engine.find(REFERENCE).id)
        else:
            parts.append("matrix-nothing")
    return "/".join(parts)


def status_of(house, rule, token, headers):
    """Return the status of a request with this token; the answer's body is left unread."""
    connection = house.served.connect()
    sent = dict(headers)
    if token != "none":
        sent["Authorization"] = f"Bearer {house.secrets[token]}"
    body = None
    if rule.body is BodyRule.REQUIRED:
        body, sent["Content-Type"] = b"{", min(rule.accepts)
    try:
        connection.request(rule.method, path_of(rule, house), body, sent)
        response = connection.getresponse()
        if response.status in REFUSALS:
            assert response.getheader("Content-Type") == MEDIA_TYPE
        assert response.getheader("Content-Security-Policy")
        return response.status
    finally:
        connection.close()


def wrong_cells(house, rules, expected, headers=None):
    """Return every cell of the matrix that is not as *expected* says."""
    found = {}
    for rule in rules:
        for token in (*LEVELS, ELSEWHERE):
            status = status_of(house, rule, token, headers or {})
            if not expected(rule, token, status):
                found[rule.method, rule.path, token] = status
    return found


def is_as_declared(rule, token, status):
    """Tell whether an answer to a request from a good origin is what the declaration says."""
    if rule.access is OPEN:
        return status not in REFUSALS
    if token in {"none", "wrong"}:
        return status == 401
    if token != ELSEWHERE and LEVELS[token] < rule.access:
        return status == 403
    if token == ELSEWHERE:
        return status < 500 and status != 401
    return status < 500 and status not in REFUSALS


def test_every_route_takes_the_tokens_it_declares_and_no_others(house, rules):
    assert wrong_cells(house, rules, is_as_declared) == {}


def test_no_route_answers_a_foreign_host(house, rules):
    foreign = {"Host": "evil.example"}

    assert wrong_cells(house, rules, lambda _r, _t, status: status == 421, foreign) == {}


def test_no_route_answers_a_foreign_origin(house, rules):
    foreign = {"Origin": FOREIGN}

    assert wrong_cells(house, rules, lambda _r, _t, status: status == 403, foreign) == {}


def test_streams_are_guarded_as_data_is(house, rules):
    streams = [rule for rule in rules if rule.method == "GET" and is_streamed(rule)]

    assert streams
    assert wrong_cells(house, streams, is_as_declared, STREAM) == {}
    foreign = {**STREAM, "Origin": FOREIGN}
    assert wrong_cells(house, streams, lambda _r, _t, status: status == 403, foreign) == {}


def is_streamed(rule):
    return rule.path.endswith(("/events", "/output"))


def test_a_token_of_another_namespace_sees_no_instance_of_this_one(house, rules):
    rows = [rule for rule in rules if "{reference}" in rule.path or "{identifier}" in rule.path]
    reads = [rule for rule in rows if rule.method == "GET"]

    got = {rule.path: status_of(house, rule, ELSEWHERE, {}) for rule in reads}

    assert reads
    assert set(got.values()) == {404}, got


def test_what_is_open_is_exactly_what_is_meant_to_be(rules):
    opened = {rule.path for rule in rules if rule.access is OPEN}

    assert opened == OPEN_PATHS | PAGES
    assert {rule.method for rule in rules if rule.access is OPEN} == {"GET"}
    assert {rule.access for rule in rules} == {OPEN, *Scope}


def test_a_write_needs_more_than_the_scope_to_read(rules):
    writes = {rule.path for rule in rules if rule.method != "GET" and rule.access is Scope.READ}

    assert writes == {"/api/v1/session"}


def test_without_authentication_the_matrix_is_not_as_declared(house, rules, tmp_path):
    with Served(tmp_path / "home", options=ServeOptions(has_auth=False)) as served:
        served.engine.submit_task({"type": "wait", "key": REFERENCE})
        wrong = wrong_cells(House(served, house.secrets), rules, is_as_declared)

    refused = [rule for rule in rules if rule.access is not OPEN]
    assert len([cell for cell in wrong if cell[2] == "none"]) == len(refused)
