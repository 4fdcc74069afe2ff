"""The guard: one ASGI wrapper around everything; what it does not know, it refuses.

In this order: the form of the request, the host and the origin, the token, the route, the scope,
the body. A refusal costs as little as it can, and is counted.
"""

import logging
from typing import cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tipman.errors import TipmanError
from tipman.settings import Settings

from tipman_api.answers import Answer
from tipman_api.auth import ANYBODY, Authentication
from tipman_api.bodies import BODY_KEY, Announced, Bodies, announced, is_json, replayed
from tipman_api.denials import Denial, Denials
from tipman_api.origins import HTTP_PORT, Origins, check_site
from tipman_api.principals import SCOPE_KEY, Principal
from tipman_api.principals import Scope as Scopes
from tipman_api.problems import RefusedError, failure, install, kind_of, response_to
from tipman_api.requestlines import check_length, check_path, check_query
from tipman_api.routes import OPEN, BodyRule, RouteTable, Rule, table_of

_SINGLE = frozenset(
    b"host content-length content-type transfer-encoding content-encoding authorization cookie"
    b" origin sec-fetch-site sec-fetch-mode x-tipman idempotency-key last-event-id prefer".split()
)
"""Headers of which a second one is a trick."""
_CONDITIONS = (b"If-Match", b"If-None-Match", b"If-Unmodified-Since")
"""Headers by which a client guards a write against those of others."""
_log = logging.getLogger(__name__)


class Guard:
    """Lets through to *app* what the table of routes, the token and the limits allow."""

    def __init__(
        self,
        app: ASGIApp,
        table: RouteTable,
        settings: Settings,
        *,
        origins: Origins,
        authentication: Authentication,
        denials: Denials,
    ) -> None:
        self._app = app
        self._table = table
        self._settings = settings
        self._origins = origins
        self._authentication = authentication
        self._bodies = Bodies(settings)
        self.denials = denials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the life of the server goes to the application as it is."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            self._note(scope, _no_websocket())
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Answer(send, is_page=self._table.is_page(scope["path"]))
        try:
            headers = self._headers(scope)
            rule, principal = self._admit(scope, headers)
            scope[SCOPE_KEY] = principal
            said = announced(headers)
            self._bodies.check(rule, said, headers.get(b"content-encoding"))
            if said is not None:
                body = await self._bodies.read(receive)
                if body is None:
                    return
                await self._take(scope, rule, said, body)
                receive = replayed(body, receive)
        except TipmanError as error:
            await self._refuse(scope, answer, receive, error)
            return
        await self._pass(scope, receive, answer, rule)

    def _headers(self, scope: Scope) -> dict[bytes, bytes]:
        """Return the headers by name.

        Raises:
            RefusedError: there are too many bytes of them, or one twice that must not be.
        """
        pairs = scope["headers"]
        headers: dict[bytes, bytes] = dict(pairs)
        bytes_max = self._settings.header_bytes_max
        if sum([len(name) + len(value) for name, value in pairs]) > bytes_max:
            raise RefusedError(
                "headers_too_large", f"the headers have more than {bytes_max:,} bytes"
            )
        if len(headers) != len(pairs):
            names = [name for name, _ in pairs]
            for name in _SINGLE & headers.keys():
                if names.count(name) > 1:
                    raise _doubled(name)
        return headers

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Rule, Principal]:
        """Return the rule of the route and who asks.

        Raises:
            TipmanError: something about the request is not as it must be.
        """
        method, path = scope["method"], scope["path"]
        raw, query = scope.get("raw_path") or path.encode(), scope["query_string"]
        check_length(raw, query, self._settings.query_bytes_max)
        check_path(raw)
        if query:
            check_query(query)
        self._check_sender(scope, headers)
        is_open = self._table.is_open(path)
        # Whatever may be read may be asked for without its body.
        rule = self._table.find("GET" if method == "HEAD" else method, path)
        if isinstance(rule, Rule) and rule.access is OPEN:
            return rule, ANYBODY
        if not is_open:
            principal = self._authentication.principal(headers, method)
            if isinstance(rule, Rule):
                principal.must_have(cast("Scopes", rule.access))
                if rule.method != "GET":
                    _check_unconditional(headers)
                return rule, principal
        raise self._no_route(method, path)

    def _check_sender(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        server = scope.get("server")
        port = HTTP_PORT if server is None else server[1]
        host = self._origins.check_host(headers.get(b"host"), port)
        origin = headers.get(b"origin")
        if origin is not None:
            self._origins.check_origin(origin, host)
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            is_navigation = headers.get(b"sec-fetch-mode") == b"navigate"
            is_page = self._table.is_page(scope["path"]) and scope["method"] == "GET"
            check_site(site, is_page=is_page, is_navigation=is_navigation)
        if headers.get(b"upgrade", b"").lower() == b"websocket":
            raise _no_websocket()

    def _no_route(self, method: str, path: str) -> RefusedError:
        methods = self._table.methods(path)
        if not methods:
            return RefusedError("not_found", "there is nothing at this path")
        error = RefusedError("method_not_allowed", f"{method} is none of {', '.join(methods)}")
        error.headers["allow"] = ", ".join(methods)
        return error

    async def _take(self, scope: Scope, rule: Rule, said: Announced, body: bytes) -> None:
        """Leave the value of a JSON body where routes find it.

        Raises:
            TipmanError: it is empty and must not be, or is not to be read.
        """
        if not body:
            if rule.body is BodyRule.REQUIRED:
                raise RefusedError("body_required", "this needs a body, and it is empty")
        elif is_json(said.kind):
            scope[BODY_KEY] = await self._bodies.parse(body)

    async def _pass(self, scope: Scope, receive: Receive, answer: Answer, rule: Rule) -> None:
        if scope["method"] == "HEAD":
            # A stream of events would have no end, and nobody would see one of them.
            headers = [pair for pair in scope["headers"] if pair[0] != b"accept"]
            scope = {**scope, "method": "GET", "headers": headers}
        try:
            if rule.lane is None:
                await self._app(scope, receive, answer.send)
            else:
                scope["app"] = self._app
                await rule.lane.pass_through(scope, receive, answer.send)
        except TipmanError as error:
            if answer.is_started:
                raise
            await response_to(error)(scope, receive, answer.send)
        except Exception:
            if answer.is_complete:
                # The framework raises again what it has answered and logged.
                _log.debug("an error came out after its answer", exc_info=True)
            elif answer.is_started:
                raise
            else:
                _log.exception("%s %s failed", scope["method"], scope["path"])
                await failure()(scope, receive, answer.send)

    async def _refuse(
        self, scope: Scope, answer: Answer, receive: Receive, error: TipmanError
    ) -> None:
        self._note(scope, error)
        response = response_to(error)
        if error.code == "timeout":
            response.headers["connection"] = "close"
        await response(scope, receive, answer.send)

    def _note(self, scope: Scope, error: TipmanError) -> None:
        client = scope.get("client")
        self.denials.note(
            Denial(
                code=kind_of(error)[0],
                address=client[0] if client else "",
                method=scope.get("method", scope["type"]),
                path=scope["path"],
                detail=str(error),
            )
        )


def guarded(
    app: FastAPI,
    settings: Settings,
    *,
    origins: Origins,
    authentication: Authentication,
    denials: Denials,
    pages: frozenset[str] = frozenset(),
) -> Guard:
    """Return the guard before *app*, whose routes are complete; *pages* are its open files.

    Raises:
        ValueError: a route declares nothing, or is open and may not be.
    """
    install(app)
    app.state.authentication = authentication
    return Guard(
        app,
        table_of(app, pages),
        settings,
        origins=origins,
        authentication=authentication,
        denials=denials,
    )


def _doubled(name: bytes) -> RefusedError:
    code = "unknown_host" if name == b"host" else "malformed"
    return RefusedError(code, f"the header `{name.decode()}` stands there twice")


def _check_unconditional(headers: dict[bytes, bytes]) -> None:
    """Let a write pass that is to be made whatever there is.

    Raises:
        RefusedError: it says when not to, which nobody would look at.
    """
    for name in _CONDITIONS:
        if name.lower() in headers:
            raise RefusedError(
                "unconditional",
                f"`{name.decode()}` is not looked at: send the write without it, and with an"
                " `Idempotency-Key` where it must not be made twice",
            )


def _no_websocket() -> RefusedError:
    return RefusedError("malformed", "there are no WebSockets here")
