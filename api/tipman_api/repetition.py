"""Repetition: a write that comes twice with one `Idempotency-Key` is made once.

Every route that writes gives `written` two things: how the write is made, and how its answer is
shown. What is shown follows from the answer alone, so a repeat is answered like the first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from tipman.errors import Fault, InvalidError, RepeatedError
from tipman.jsontext import dumps
from tipman.listing import dumps_stored
from tipman.registry.records import Answer
from tipman.registry.repeats import Memo, Repeat, repeat_of

from tipman_api.bodies import BODY_KEY
from tipman_api.bridge import Bridge, bridge_of
from tipman_api.principals import Principal, principal_of
from tipman_api.problems import RefusedError
from tipman_api.representation import JSON

HEADER = b"idempotency-key"
KEY_CHARACTERS_MAX = 255

Outcome: TypeAlias = Callable[[Any], Answer]
"""Makes an answer of what the handler of the write's event answers."""
Keep: TypeAlias = Callable[[Outcome], Memo | None]
"""Makes the memo that the write's event is published with; None where there is no key."""
Write: TypeAlias = Callable[[Keep], Awaitable[Answer]]

PARAMETER: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "Makes the write once, however often it is sent within 24 hours; a repeat gets the same"
        " status, `Location` and id. Another body under the same key is refused."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX},
    "example": "8e1f0c1c-1d3c-4b8e-9d52-5c5d6f6d7f10",
}
"""The header in the OpenAPI document, for the operations that write."""


async def written(request: Request, write: Write, key: str | None = None) -> Answer:
    """Return what a write is answered: now, or when it was made under the same key.

    *write* publishes with what its argument returns; a repeat that comes meanwhile waits for it.
    *key* is that of the body, for a request without the header.

    Raises:
        IdempotencyMismatchError: the key was used for another body.
        RefusedError: the key is none.
        InvalidError: that of the body is none.
    """
    repeat = _repeat_in(request, key)
    if repeat is None:
        return await write(lambda _: None)
    bridge = bridge_of(request)
    engine = bridge.engine
    loop = asyncio.get_running_loop()
    while True:
        told: asyncio.Future[Answer | None] = loop.create_future()
        if not engine.repeats.enter(repeat, partial(_tell, bridge, told)):
            answer = await told
            if answer is None:
                continue
            return answer
        answer = None
        try:
            answer = await bridge.call(lambda: engine.recall(repeat))
            if answer is None:
                answer = await write(partial(Memo, repeat))
        except RepeatedError:
            # A client that went away before its answer had made it; that is on disk now.
            continue
        finally:
            engine.repeats.leave(repeat, answer)
        return answer


def _tell(bridge: Bridge, told: "asyncio.Future[Answer | None]", answer: Answer | None) -> None:
    """Tell a coroutine that waits, from whatever thread; it may have gone."""
    bridge.call_soon(lambda: None if told.done() else told.set_result(answer))


def replied(answer: Answer) -> Response:
    """Return an answer whose body was kept with it."""
    headers = {} if answer.location is None else {"location": answer.location}
    media_type = None if answer.body is None else JSON
    return Response(answer.body, answer.status, headers, media_type)


def text_of(value: object) -> str:
    """Return a value as the body of an answer that is kept."""
    return dumps_stored(value)


def _repeat_in(request: Request, key_of_body: str | None) -> Repeat | None:
    # The headers as they came: most writes have no key, and to decode all of them takes longer.
    keys = [v.decode("latin-1") for name, v in request.scope["headers"] if name == HEADER]
    if not keys and key_of_body is None:
        return None
    key = keys[0] if keys else str(key_of_body)
    if len(keys) > 1 or not 0 < len(key) <= KEY_CHARACTERS_MAX or not _is_visible(key):
        words = f"must be one text of visible ASCII characters, {KEY_CHARACTERS_MAX} at most"
        if not keys:
            raise InvalidError(f"/id: {words}", (Fault("/id", words),))
        raise RefusedError("malformed", f"`Idempotency-Key` {words}")
    body = request.scope.get(BODY_KEY)
    principal = principal_of(request)
    return repeat_of(
        token=principal.name,
        namespace=_namespace(request, body, principal),
        method=request.method,
        path=request.url.path,
        key=key,
        body=f"{request.url.query}\n{dumps(body)}".encode(),
    )


def _namespace(request: Request, body: object, principal: Principal) -> str:
    named = request.query_params.get("namespace")
    if named is None and isinstance(body, dict):
        named = body.get("namespace")
    return named if isinstance(named, str) else principal.namespace_for(None)


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
