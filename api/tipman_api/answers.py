"""Answers: what every one of them carries, and what none does."""

from starlette.types import Message, Send

Headers = list[tuple[bytes, bytes]]

_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_OWN_FILES = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DATA_HEADERS: Headers = [
    *_ALWAYS,
    (b"content-security-policy", _NOTHING),
    (b"cache-control", b"no-store"),
]
"""Of everything that may hold data: it is shown by nothing and kept by nobody."""
PAGE_HEADERS: Headers = [
    *_ALWAYS,
    (b"content-security-policy", _OWN_FILES),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
"""Of the files of our pages: they load nothing but one another, and run no script in a page."""
_OURS = frozenset(name for name, _ in DATA_HEADERS) | {b"server"}
_OURS_ON_PAGES = frozenset(name for name, _ in PAGE_HEADERS) | {b"server"}


class Answer:
    """One answer on its way out: adds the headers, and knows how far it has come."""

    __slots__ = ("_is_page", "_send", "is_complete", "is_started")

    def __init__(self, send: Send, *, is_page: bool) -> None:
        self._send = send
        self._is_page = is_page
        self.is_started = False
        self.is_complete = False

    async def send(self, message: Message) -> None:
        """Pass a message on; the application's own headers of these names are dropped."""
        kind = message["type"]
        if kind == "http.response.start":
            self.is_started = True
            ours, names = (
                (PAGE_HEADERS, _OURS_ON_PAGES) if self._is_page else (DATA_HEADERS, _OURS)
            )
            kept = [pair for pair in message.get("headers", ()) if pair[0] not in names]
            message["headers"] = kept + ours
        elif kind == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
        await self._send(message)
