"""The guard, asked as an ASGI callable: who gets in, what comes out, what is counted."""

import asyncio
import logging

import pytest
from fastapi import FastAPI
from guard.house import PAGES, TOKENS, application, guard_before
from guard.requests import HOST, answer, ask, part_of, scope_of
from tipman.clock import ManualClock, SystemClock
from tipman.settings import Settings
from tipman_api.auth import SESSION_S, SESSIONS_MAX, Authentication, Sessions
from tipman_api.denials import TOLD_MAX, Denial, Denials
from tipman_api.guard import guarded
from tipman_api.origins import Origins
from tipman_api.principals import Principal, Scope
from tipman_api.routes import OPEN, Router, table_of

TASKS = "/api/v1/tasks"
KNOWN = f"{TASKS}/known"
OPERATE = "operate"


@pytest.fixture
def guard():
    return guard_before(application())


# What comes out.


def test_data_is_shown_by_nothing_and_kept_by_nobody(guard):
    headers = ask(guard, "GET", KNOWN).headers

    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_a_page_loads_its_own_files_and_nothing_else(guard):
    headers = ask(guard, "GET", "/", token=None).headers

    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-cache"


def test_no_answer_names_the_server(guard):
    assert "server" not in ask(guard, "GET", "/", token=None).headers


def test_a_refusal_carries_the_same_headers_as_data(guard):
    served, refused = ask(guard, "GET", KNOWN), ask(guard, "GET", KNOWN, token=None)

    assert refused.headers["www-authenticate"] == 'Bearer realm="tipman"'
    assert {name for name in served.headers if name.startswith(("cross", "x-", "cache"))} <= (
        refused.headers.keys()
    )


def test_a_defect_shows_nothing_of_the_inside(guard, caplog):
    reply = ask(guard, "GET", "/fails/deeply")

    assert (reply.status, reply.code) == (500, "error")
    assert b"inside" not in reply.body
    assert b"Traceback" not in reply.body
    assert "the inside of the server" in caplog.text


def test_an_error_before_any_answer_is_a_problem_and_after_it_a_broken_connection():
    async def at_once(_scope, _receive, _send):
        raise ZeroDivisionError

    async def half_way(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    guard = guard_before(application())
    guard._app = at_once
    assert ask(guard, "GET", KNOWN).code == "error"
    guard._app = half_way
    with pytest.raises(ZeroDivisionError):
        ask(guard, "GET", KNOWN)


def test_errors_of_the_engine_and_of_the_framework_are_problems(guard):
    taken, conflict = ask(guard, "GET", "/fails/taken"), ask(guard, "GET", "/fails/conflict")
    wrong = ask(guard, "POST", "/named", {"tags": [1, "x"]})
    query = ask(guard, "GET", f"{KNOWN}?limit=x")

    assert (taken.status, taken.json["uri"]) == (409, "/api/v1/tasks/1")
    assert (conflict.status, conflict.json["state"]) == (409, "settled")
    assert {fault["pointer"] for fault in wrong.json["errors"]} == {"/name", "/tags/1"}
    assert [fault["pointer"] for fault in query.json["errors"]] == ["/query/limit"]
    assert (wrong.status, query.code) == (422, "invalid")
    assert taken.headers["content-type"] == "application/problem+json"


# Who gets in.


@pytest.mark.parametrize("target", ["/livez", "/", "/docs/page.js"])
def test_the_open_paths_need_no_token_and_take_a_wrong_one(guard, target):
    assert ask(guard, "GET", target, token=None).status == 200
    assert ask(guard, "GET", target, token="wrong").status == 200
    assert ask(guard, "HEAD", target, token=None).status == 200


@pytest.mark.parametrize(
    "target", ["/livez/", "/livez/x", "/docs/", "/docs/x", "/Docs", "/livez%20"]
)
def test_what_looks_like_an_open_path_is_none(guard, target):
    assert ask(guard, "GET", target, token=None).status == 401


def test_an_unknown_path_is_told_to_who_has_a_token_only(guard):
    assert ask(guard, "GET", "/admin", token=None).status == 401
    assert ask(guard, "GET", "/admin").status == 404


def test_what_may_be_read_may_be_asked_for_without_its_body(guard):
    read, head = ask(guard, "GET", KNOWN), ask(guard, "HEAD", KNOWN)

    # The server below sends none of it.
    assert head.status == read.status == 200
    assert head.headers["content-length"] == read.headers["content-length"]
    assert ask(guard, "HEAD", KNOWN, token=None).status == 401
    assert ask(guard, "HEAD", TASKS).status == 405
    assert ask(guard, "PUT", KNOWN, {}).headers["allow"].startswith("GET, HEAD")


@pytest.mark.parametrize("name", ["If-Match", "if-none-match", "If-Unmodified-Since"])
def test_a_condition_that_nobody_would_look_at_is_refused(guard, name):
    """Two who changed one schedule each with its `ETag` undid one another's change."""
    refused = ask(guard, "POST", TASKS, {}, headers=[(name, '"1"')])

    assert (refused.status, refused.code) == (412, "unconditional")
    assert ask(guard, "POST", TASKS, {}, token=None, headers=[(name, '"1"')]).status == 401
    assert ask(guard, "GET", KNOWN, headers=[(name, '"1"')]).status == 200


def test_a_path_with_another_method_names_those_there_are(guard):
    reply = ask(guard, "PUT", TASKS, {})

    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_scopes_include_the_ones_before(guard):
    got = {
        token: [
            ask(guard, "GET", KNOWN, token=token).status,
            ask(guard, "POST", TASKS, {}, token=token).status,
            ask(guard, "DELETE", "/api/v1/tokens/x", token=token).status,
        ]
        for token in ("read", "operate", "admin")
    }

    assert got == {"read": [200, 403, 403], "operate": [200, 200, 403], "admin": [200, 200, 204]}


def test_a_scope_is_checked_before_the_body_is_read(guard):
    scope = scope_of("POST", TASKS, [("Host", HOST), ("Authorization", "Bearer read"),
                                     ("Content-Length", "10")])  # fmt: skip

    assert asyncio.run(answer(guard, scope, [])).status == 403


def test_without_authentication_everybody_may_and_the_origin_still_counts():
    guard = guard_before(application(), authenticate=None)

    assert ask(guard, "GET", KNOWN, token=None).json["by"] == "anybody"
    assert ask(guard, "DELETE", "/api/v1/tokens/x", token=None).status == 204
    foreign = [("Origin", "http://evil.example")]
    assert ask(guard, "GET", KNOWN, token=None, headers=foreign).code == "cross_origin"
    assert ask(guard, "GET", KNOWN, headers=[("Host", "evil.example")]).code == "unknown_host"
    assert ask(guard, "POST", "/api/v1/session", token=None).headers.get("set-cookie") is None


def test_the_names_of_this_machine_go_with_the_port_of_the_server(guard):
    for host in ("127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000", "[::1]:8000"):
        assert ask(guard, "GET", KNOWN, headers=[("Host", host)]).status == 200
    for host in ("localhost", "localhost:8001", "evil.example:8000"):
        assert ask(guard, "GET", KNOWN, headers=[("Host", host)]).status == 421


def test_an_allowed_host_goes_by_its_name_and_its_pages_by_either_scheme():
    guard = guard_before(application(), allowed=["Tipman.Example", "other.example:8443"])

    def status(host, origin=None):
        headers = [("Host", host), *([("Origin", origin)] if origin else [])]
        return ask(guard, "GET", KNOWN, headers=headers).status

    assert status("tipman.example") == status("tipman.example:8000") == 200
    assert status("other.example:8443") == 200
    assert status("other.example") == status("x.tipman.example") == 421
    assert status("tipman.example", "https://tipman.example") == 200
    assert status("tipman.example", "http://tipman.example") == 200
    assert status("tipman.example", "https://other.example:8443") == 403


def test_a_page_of_this_server_may_ask_it(guard):
    own = [("Origin", f"http://{HOST}"), ("Sec-Fetch-Site", "same-origin")]

    assert ask(guard, "POST", TASKS, {"a": 1}, headers=own).status == 200
    assert ask(guard, "GET", KNOWN, headers=[("Sec-Fetch-Site", "none")]).status == 200


def test_a_link_elsewhere_may_lead_to_a_page_but_not_to_data(guard):
    link = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]

    assert ask(guard, "GET", "/", token=None, headers=link).status == 200
    assert ask(guard, "GET", KNOWN, headers=link).status == 403
    embedded = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")]
    assert ask(guard, "GET", "/docs/page.js", token=None, headers=embedded).status == 403


# Sessions.


def open_session(guard, token=OPERATE):
    reply = ask(guard, "POST", "/api/v1/session", token=token)
    cookie, *attributes = reply.headers["set-cookie"].split("; ")
    return cookie, {each.lower() for each in attributes}


def test_a_session_is_opened_with_a_token_and_works_as_it(guard):
    cookie, attributes = open_session(guard)

    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert "operate" not in cookie
    seen = ask(guard, "GET", KNOWN, token=None, headers=[("Cookie", f"theme=dark; {cookie}")])
    assert seen.json["by"] == "operate"
    shown = ask(guard, "GET", "/api/v1/session", token=None, headers=[("Cookie", cookie)])
    assert shown.json == {"name": "operate", "scope": "operate", "namespace": None}


def test_a_session_is_opened_by_a_token_only(guard):
    assert ask(guard, "POST", "/api/v1/session", token=None).status == 401
    assert ask(guard, "POST", "/api/v1/session", token="wrong").status == 401


def test_a_write_by_cookie_needs_a_header_that_no_form_can_send(guard):
    cookie, _ = open_session(guard)

    def write(*headers):
        return ask(guard, "POST", TASKS, {}, token=None, headers=[("Cookie", cookie), *headers])

    assert write().code == "cross_origin"
    assert write(("X-Tipman", "0")).code == "cross_origin"
    assert write(("X-Tipman", "1")).status == 200


def test_a_session_ends_when_it_is_closed_and_with_its_token():
    tokens = dict(TOKENS)
    guard = guard_before(application(), authenticate=tokens.get)
    closed, _ = open_session(guard)
    revoked, _ = open_session(guard, "read")

    def status(cookie):
        return ask(guard, "GET", KNOWN, token=None, headers=[("Cookie", cookie)]).status

    assert status(closed) == status(revoked) == 200
    headers = [("Cookie", closed), ("X-Tipman", "1")]
    reply = ask(guard, "DELETE", "/api/v1/session", token=None, headers=headers)
    assert reply.status == 204
    assert "max-age=0" in reply.headers["set-cookie"].lower()
    assert status(closed) == 401
    del tokens["read"]
    assert status(revoked) == 401
    tokens["read"] = TOKENS["read"]
    assert status(revoked) == 401


def test_a_session_ends_by_itself_and_the_oldest_makes_room():
    clock = ManualClock()
    sessions = Sessions(TOKENS.get, clock)
    first = sessions.open("read")

    assert sessions.find(first) == TOKENS["read"]
    clock.advance(SESSION_S)
    assert sessions.find(first) is None
    oldest = sessions.open("read")
    for _ in range(SESSIONS_MAX):
        sessions.open("read")
    assert sessions.find(oldest) is None


def test_a_wrong_token_is_not_mended_by_a_cookie(guard):
    cookie, _ = open_session(guard)

    assert ask(guard, "GET", KNOWN, token="wrong", headers=[("Cookie", cookie)]).status == 401


# Bodies.


def test_a_body_is_parsed_once_and_handed_on(guard):
    value = {"a": [1, 2.5, None, "ä"], "b": {"c": True}}

    assert ask(guard, "POST", TASKS, value).json == {"got": value}
    assert ask(guard, "POST", "/named", {"name": "x"}).json == {"name": "x"}


def test_a_body_in_pieces_is_one(guard):
    pieces = [part_of(b'{"a"', more=True), part_of(b":", more=True), part_of(b"1}")]
    headers = [("Host", HOST), ("Authorization", "Bearer admin"), ("Content-Length", "7"),
               ("Content-Type", "application/json")]  # fmt: skip

    reply = asyncio.run(answer(guard, scope_of("POST", TASKS, headers), pieces))

    assert reply.json == {"got": {"a": 1}}


def test_other_types_are_handed_on_as_they_are_where_they_are_declared(guard):
    yaml = [("Content-Type", "application/yaml; charset=utf-8")]

    assert ask(guard, "POST", "/charts", b"a: 1", headers=yaml).json == {"bytes": 4}
    assert ask(guard, "POST", "/charts", {"a": 1}).status == 415
    assert ask(guard, "POST", TASKS, b"a: 1", headers=yaml).status == 415
    vendor = [("Content-Type", "application/vnd.x+json")]
    assert ask(guard, "POST", TASKS, b"[1]", headers=vendor).json == {"got": [1]}


def test_a_body_that_is_not_required_may_be_missing(guard):
    assert ask(guard, "POST", "/spare").json == {"bytes": 0}
    assert ask(guard, "POST", "/spare", {"a": 1}).json == {"bytes": 8}
    assert ask(guard, "POST", TASKS).code == "body_required"


def test_a_client_that_goes_away_is_not_answered(guard):
    headers = [("Host", HOST), ("Authorization", "Bearer admin"), ("Content-Length", "7"),
               ("Content-Type", "application/json")]  # fmt: skip
    scope = scope_of("POST", TASKS, headers)
    gone = [part_of(b"{", more=True), {"type": "http.disconnect"}]

    with pytest.raises(IndexError):
        asyncio.run(answer(guard, scope, gone))


LIMITS = Settings(
    body_bytes_max=100, depth_max=3, string_bytes_max=8, values_max=20, header_bytes_max=300,
    query_bytes_max=60,
)  # fmt: skip
AT_THE_LIMIT = [
    (b'"%s"' % (b"x" * 8), b'"%s"' % (b"x" * 9)),
    ('"ääää"'.encode(), '"äääää"'.encode()),
    (b'{"%s": 1}' % (b"k" * 8), b'{"%s": 1}' % (b"k" * 9)),
    (b"[[[1]]]", b"[[[[1]]]]"),
    (b'{"a":{"b":{"c":1}}}', b'{"a":{"b":{"c":{}}}}'),
    (b"[%s]" % b",".join([b"1"] * 19), b"[%s]" % b",".join([b"1"] * 20)),
    (b"[%s]" % b",".join([b"[]"] * 19), b"[%s]" % b",".join([b"[]"] * 20)),
    (b'["a,b,c"%s]' % (b',"[{,"' * 10), b"[{},%s1]" % (b"{}," * 18)),
    (b" " * 99 + b"1", b" " * 100 + b"1"),
]


@pytest.mark.parametrize(("within", "past"), AT_THE_LIMIT)
def test_a_body_is_taken_at_the_limit_and_refused_one_past_it(within, past):
    guard = guard_before(application(), LIMITS)
    json = [("Content-Type", "application/json")]

    assert ask(guard, "POST", TASKS, within, headers=json).status == 200
    assert ask(guard, "POST", TASKS, past, headers=json).status in {413, 422}


def test_head_and_address_are_taken_at_the_limit_and_refused_one_past_it():
    guard = guard_before(application(), LIMITS)
    used = sum(len(n) + len(v) for n, v in scope_of("GET", "/", [
        ("Host", HOST), ("Authorization", "Bearer admin"), ("X", "")])["headers"])  # fmt: skip
    room, left = "a" * (300 - used), "a" * (60 - len(KNOWN))

    assert ask(guard, "GET", KNOWN, headers=[("X", room)]).status == 200
    assert ask(guard, "GET", KNOWN, headers=[("X", room + "a")]).code == "headers_too_large"
    assert ask(guard, "GET", f"{KNOWN}?{left}").status == 200
    assert ask(guard, "GET", f"{KNOWN}?{left}a").code == "query_too_long"


def test_a_fault_in_a_body_has_its_pointer(guard):
    json = [("Content-Type", "application/json")]
    reply = ask(guard, "POST", TASKS, b'{"a":[{"b/c":1e999}]}', headers=json)

    assert reply.json["errors"][0]["pointer"] == "/a/0/b~1c"
    assert "past the range" in reply.json["detail"]


# Namespaces.


def test_a_bound_principal_is_held_to_its_namespace():
    bound, free = Principal("ci", Scope.READ, "team"), Principal("root", Scope.ADMIN)

    assert (bound.namespace_for(None), bound.namespace_for("team")) == ("team", "team")
    assert (free.namespace_for(None), free.namespace_for("team")) == ("default", "team")
    with pytest.raises(Exception, match="bound to the namespace 'team'"):
        bound.namespace_for("default")
    free.must_see("team", "/api/v1/tasks/1")
    bound.must_see("team", "/api/v1/tasks/1")
    with pytest.raises(Exception, match="nothing is known at /api/v1/tasks/1"):
        bound.must_see("default", "/api/v1/tasks/1")


# Counting.


def test_refusals_are_counted_and_the_first_of_a_kind_and_address_in_a_minute_is_told():
    clock, told = ManualClock(), []
    denials = Denials(clock, told.append)

    def note(code, address="10.0.0.1"):
        denials.note(Denial(code, address, "GET", "/x\n", "why"))

    for _ in range(3):
        note("unauthorized")
    note("forbidden")
    note("unauthorized", "10.0.0.2")
    clock.advance(60)
    note("unauthorized")

    assert denials.counts == {"unauthorized": 5, "forbidden": 1}
    assert [(each.code, each.address) for each in told] == [
        ("unauthorized", "10.0.0.1"), ("forbidden", "10.0.0.1"), ("unauthorized", "10.0.0.2"),
        ("unauthorized", "10.0.0.1"),
    ]  # fmt: skip
    assert told[0].path == "/x\\n"


def test_what_is_remembered_of_refusals_is_bounded():
    told = []
    denials = Denials(ManualClock(), told.append)

    for number in range(TOLD_MAX + 5):
        denials.note(Denial("unauthorized", str(number), "GET", "/", ""))

    assert len(told) == TOLD_MAX
    assert denials.counts["unauthorized"] == TOLD_MAX + 5


def test_a_token_in_the_query_reaches_no_log(guard, caplog):
    caplog.set_level(logging.DEBUG)
    told = []
    guard = guard_before(application(), tell=told.append)

    reply = ask(guard, "GET", f"{KNOWN}?token=s3cret")

    assert reply.code == "token_in_query"
    assert b"s3cret" not in reply.body
    assert "s3cret" not in caplog.text + str(told)


def test_a_websocket_is_closed_before_it_is_open(guard):
    scope = scope_of("GET", KNOWN, [("Host", HOST)], kind="websocket")
    del scope["method"]

    assert asyncio.run(answer(guard, scope, [{"type": "websocket.connect"}])).status == 0
    assert guard.denials.counts == {"malformed": 1}


def test_the_life_of_the_server_is_none_of_the_guards_business(guard):
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope["type"])

    guard._app = app
    asyncio.run(guard({"type": "lifespan"}, None, None))

    assert seen == ["lifespan"]


# The table of routes.


def test_an_undeclared_route_fails_the_build():
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/forgotten")
    async def forgotten():
        return {}

    with pytest.raises(ValueError, match="'/forgotten' declares no scope"):
        table_of(app)
    with pytest.raises(ValueError, match="declares no scope"):
        guarded(
            app, Settings(), origins=Origins(), denials=Denials(SystemClock()),
            authentication=Authentication(TOKENS.get, SystemClock()),
        )  # fmt: skip
    with pytest.raises(ValueError, match="declares no scope"):
        table_of(FastAPI())


async def nothing():
    """Answer nothing."""


@pytest.mark.parametrize("path", ["/open", "/livez2", "/docs/{name}"])
def test_only_the_open_paths_can_be_declared_open(path):
    router, app = Router(), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    router.get(path, scope=OPEN)(nothing)
    app.include_router(router)

    with pytest.raises(ValueError, match="is open and is none of the open paths"):
        table_of(app, PAGES)


def test_the_table_finds_what_the_framework_finds():
    table = table_of(application(), PAGES)

    assert table.find("GET", KNOWN).path == f"{TASKS}/{{ref}}"
    assert table.find("POST", TASKS).access is Scope.OPERATE
    assert table.methods(TASKS) == ["POST"]
    assert table.methods(f"{TASKS}/") == []
    assert {rule.path for rule in table if rule.access is OPEN} == {"/livez", "/", "/docs/page.js"}
