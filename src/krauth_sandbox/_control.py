"""The switches of `_emulator` over HTTP, under `/_sandbox/`, for programs in any language."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._emulator import Emulator

PREFIX = "/_sandbox/"

_BOOLEANS = {
    "true": True,
    "1": True,
    "on": True,
    "yes": True,
    "false": False,
    "0": False,
    "off": False,
    "no": False,
}


def boolean(text: str) -> bool:
    """Parse true/false, 1/0, on/off, yes/no."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("expected true or false") from None


def number(text: str) -> float:
    """Parse a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


def positive(text: str) -> float:
    """Parse a number greater than 0."""
    value = number(text)
    if value <= 0:
        raise ValueError("expected a number greater than 0")
    return value


def _times(text: str) -> int | None:
    return None if text in {"always", "none", "null"} else int(text)


def _where(query: Any) -> str:
    where = query.get("where", "token")
    if where not in {"token", "api"}:
        raise ValueError("where must be token or api")
    return str(where)


async def _fail(emulator: Emulator, request: web.Request) -> None:
    query = request.query
    # The request's own body, where it has one, becomes the body of the failure.
    raw = await request.read()
    body: Any = None
    if raw:
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw
    status = int(query["status"])
    if not 200 <= status <= 599:
        raise ValueError("status must be between 200 and 599")
    headers = {"Retry-After": query["retry_after"]} if "retry_after" in query else None
    fail = emulator.fail_token if _where(query) == "token" else emulator.fail_api
    fail(status, times=_times(query.get("times", "1")), body=body, headers=headers)


async def _drop(emulator: Emulator, request: web.Request) -> None:
    query = request.query
    drop = emulator.drop_token if _where(query) == "token" else emulator.drop_api
    drop(times=_times(query.get("times", "1")), processed=boolean(query.get("processed", "false")))


async def _delay(emulator: Emulator, request: web.Request) -> None:
    setattr(emulator, f"{_where(request.query)}_delay", max(0.0, number(request.query["seconds"])))


async def _clock(emulator: Emulator, request: web.Request) -> None:
    emulator.clock_offset = number(request.query["offset"])


async def _advance(emulator: Emulator, request: web.Request) -> None:
    emulator.advance(number(request.query["seconds"]))


async def _revoke(emulator: Emulator, request: web.Request) -> None:
    what = request.query.get("what", "all")
    if what not in {"all", "access"}:
        raise ValueError("what must be all or access")
    (emulator.revoke_all if what == "all" else emulator.revoke_access_tokens)()


async def _clear(emulator: Emulator, request: web.Request) -> None:
    emulator.clear_faults()


async def _reset(emulator: Emulator, request: web.Request) -> None:
    emulator.reset()


async def _switch(emulator: Emulator, request: web.Request) -> None:
    if not request.query:
        raise ValueError("name at least one switch: ?name=value")
    for name, text in request.query.items():
        emulator.set_switch(name, text)


async def _state(emulator: Emulator, request: web.Request) -> None:
    return None


_ACTIONS: dict[str, tuple[str, Callable[[Emulator, web.Request], Awaitable[None]]]] = {
    "state": ("GET", _state),
    "revoke": ("POST", _revoke),
    "fail": ("POST", _fail),
    "drop": ("POST", _drop),
    "clear": ("POST", _clear),
    "delay": ("POST", _delay),
    "clock": ("POST", _clock),
    "advance": ("POST", _advance),
    "switch": ("POST", _switch),
    "reset": ("POST", _reset),
}


def routes(emulator: Emulator) -> list[web.RouteDef]:
    """Return one route per action; each answers with the state that the action has led to."""
    return [web.route(method, PREFIX + name, _handler(emulator, action)) for name, (method, action) in _ACTIONS.items()]


def _handler(
    emulator: Emulator, action: Callable[[Emulator, web.Request], Awaitable[None]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            await action(emulator, request)
        except KeyError as error:
            return web.json_response({"error": f"missing or unknown: {error.args[0]}"}, status=400)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(emulator.state())

    return handle
