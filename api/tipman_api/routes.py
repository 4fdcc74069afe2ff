"""Routes: what each needs before it is reached, declared where it is made.

A route without a declaration is a defect: the table can not be made, and the server not started.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from tipman_api.lane import Lane, lane_to
from tipman_api.principals import Scope
from tipman_api.problems import PROBLEM, documented

SCOPE_MEMBER = "x-tipman-scope"
"""The member of an operation in the OpenAPI document that says what a token must be good for."""
OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/version"})
"""All that answers without a token, apart from the files of the pages."""
JSON_TYPE = "application/json"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Open(Enum):
    """The declaration of a route that needs no token."""

    OPEN = "open"


OPEN = Open.OPEN
Access: TypeAlias = Scope | Open
_ALWAYS = ("malformed", "bad_path", "token_in_query", "cross_origin", "unknown_host")
_ALWAYS_TOO = ("headers_too_large", "query_too_long", "timeout")
_WITH_TOKEN = ("unauthorized", "forbidden")
_WITH_BODY = (
    "unconditional",
    "body_required",
    "too_large",
    "unsupported",
    "invalid",
    "idempotency_mismatch",
)


class BodyRule(Enum):
    """Whether a request comes with a body."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the guard knows of one route."""

    method: str
    path: str
    """The template: `/api/v1/tasks/{reference}`."""
    access: Access
    body: BodyRule
    accepts: frozenset[str]
    """Media types of the body; with `application/json` every `application/…+json` too."""
    lane: Lane | None = None
    """The short way to the endpoint, None where only the framework knows how to call it."""


class Router(APIRouter):
    """A router whose every route says what it needs: `scope=Scope.READ`, or `scope=OPEN`.

    A body is what the operation documents: by a parameter, or as `requestBody` of its
    `openapi_extra`. Its media types there are those that are taken.
    """

    # The framework's verbs take no scope; that ours demand one is the point.
    def get(self, path: str, *, scope: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        """Declare a route by GET."""
        return self._declared("GET", path, scope, options)

    # As above.
    def post(self, path: str, *, scope: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        """Declare a route by POST."""
        return self._declared("POST", path, scope, options)

    # As above.
    def put(self, path: str, *, scope: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        """Declare a route by PUT."""
        return self._declared("PUT", path, scope, options)

    # As above.
    def patch(self, path: str, *, scope: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        """Declare a route by PATCH."""
        return self._declared("PATCH", path, scope, options)

    # As above.
    def delete(  # type: ignore[override]
        self, path: str, *, scope: Access, **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a route by DELETE."""
        return self._declared("DELETE", path, scope, options)

    def _declared(
        self, method: str, path: str, scope: Access, options: dict[str, Any]
    ) -> Callable[[Endpoint], Endpoint]:
        extra = {**options.pop("openapi_extra", {}), SCOPE_MEMBER: _word(scope)}
        extra["security"] = [] if scope is OPEN else [{"bearer": []}, {"session": []}]
        codes = [*_ALWAYS, *_ALWAYS_TOO]
        codes += [] if scope is OPEN else _WITH_TOKEN
        codes += [] if method == "GET" else _WITH_BODY
        responses = {**documented(codes), **options.pop("responses", {})}
        return self.api_route(
            path, methods=[method], openapi_extra=extra, responses=responses, **options
        )


class Found(Enum):
    """What a table says of a request that it has no rule for."""

    NO_PATH = "no path"
    OTHER_METHOD = "other method"


class RouteTable:
    """Every route with its rule; `find` is what the guard asks for each request."""

    def __init__(self, rules: Iterable[Rule], pages: frozenset[str] = frozenset()) -> None:
        self._pages = pages
        self._open: set[str] = set()
        self._exact: dict[str, dict[str, Rule]] = {}
        self._templates: dict[int, list[tuple[tuple[str | None, ...], dict[str, Rule]]]] = {}
        self._rules: list[Rule] = []
        for rule in rules:
            self._add(rule)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def find(self, method: str, path: str) -> Rule | Found:
        """Return the rule of the first route that takes this, as the framework matches."""
        exact = self._exact.get(path)
        if exact is not None and method in exact:
            return exact[method]
        known = exact is not None
        for by_method in self._matching(path):
            if method in by_method:
                return by_method[method]
            known = True
        return Found.OTHER_METHOD if known else Found.NO_PATH

    def is_page(self, path: str) -> bool:
        """Tell whether a path is that of a data-free file of our pages."""
        return path in self._pages

    def is_open(self, path: str) -> bool:
        """Tell whether a path answers without a token."""
        return path in self._open

    def methods(self, path: str) -> list[str]:
        """Return every method that a path answers to."""
        found = {*self._exact.get(path, {})}.union(*self._matching(path))
        return sorted(found | ({"HEAD"} if "GET" in found else set()))

    def _matching(self, path: str) -> Iterator[dict[str, Rule]]:
        parts = path.split("/")
        for template, by_method in self._templates.get(len(parts), ()):
            if all(
                want == part if want is not None else part
                for want, part in zip(template, parts, strict=True)
            ):
                yield by_method

    def _add(self, rule: Rule) -> None:
        self._rules.append(rule)
        if rule.access is OPEN:
            self._open.add(rule.path)
        if "{" not in rule.path:
            self._exact.setdefault(rule.path, {}).setdefault(rule.method, rule)
            return
        template = tuple(None if part.startswith("{") else part for part in rule.path.split("/"))
        rows = self._templates.setdefault(len(template), [])
        for known, by_method in rows:
            if known == template:
                by_method.setdefault(rule.method, rule)
                return
        rows.append((template, {rule.method: rule}))


def table_of(app: FastAPI, pages: frozenset[str] = frozenset()) -> RouteTable:
    """Return the table of all routes of an application.

    *pages* are the paths of the data-free files of the pages, which may be open too.

    Raises:
        ValueError: a route declares nothing, or is open and may not be.
    """
    contexts = iter_route_contexts(app.routes)
    rules = (rule for context in contexts for rule in _rules(context, pages))
    return RouteTable(rules, pages)


def _rules(context: RouteContext, pages: frozenset[str]) -> Iterator[Rule]:
    path = context.path_format or context.path or ""
    extra: Mapping[str, Any] = getattr(context, "openapi_extra", None) or {}
    word = extra.get(SCOPE_MEMBER)
    if word is None or not context.methods:
        raise ValueError(f"the route {path!r} declares no scope; make it with `Router`")
    if ":path}" in (context.path or ""):
        raise ValueError(f"the route {path!r} takes slashes, which the table can not match")
    access = OPEN if word == OPEN.value else Scope.of(word)
    if access is OPEN and path not in OPEN_PATHS | pages:
        raise ValueError(f"the route {path!r} is open and is none of the open paths")
    body, accepts = _body(context, extra)
    for method in sorted(context.methods):
        yield Rule(method, path, access, body, accepts, lane_to(context))


def _body(context: RouteContext, extra: Mapping[str, Any]) -> tuple[BodyRule, frozenset[str]]:
    documented_body = extra.get("requestBody")
    if documented_body is not None:
        rule = BodyRule.REQUIRED if documented_body.get("required") else BodyRule.OPTIONAL
        return rule, frozenset(documented_body["content"])
    field = getattr(context, "body_field", None)
    if field is None:
        return BodyRule.NONE, frozenset()
    rule = BodyRule.REQUIRED if field.field_info.is_required() else BodyRule.OPTIONAL
    return rule, frozenset({JSON_TYPE})


def _word(access: Access) -> str:
    return access.word if isinstance(access, Scope) else access.value


COMPONENTS: Mapping[str, Any] = {
    "schemas": {"Problem": PROBLEM},
    "securitySchemes": {
        "bearer": {"type": "http", "scheme": "bearer", "description": "a token of `/tokens`"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "tipman_session",
            "description": "of `POST /api/v1/session`; writes need `X-Tipman: 1` as well",
        },
    },
}
"""What the operations of a `Router` refer to in the OpenAPI document."""
