"""The switches of an emulator over HTTP, under `/_sandbox/`, for programs in any language and the inspector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from .._ground.parsers import boolean, choice, number, whole
from .emulator import HOUSE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .emulator import Emulator

HEADER: Final = "X-Krauth-Sandbox"
"""Every control call that changes something carries it, with any value.

Fetch standard: a page of another site can't send a header field of that name without asking first (a CORS preflight),
and the sandbox allows no site anything.
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A control call: its parameters, and the body that came with it."""

    parameters: Mapping[str, str]
    body: bytes = b""

    def read(self, name: str, parse: Callable[[str], Any], default: str | None = None) -> Any:
        """Return a parameter; KeyError where it is missing, ValueError where it is wrong."""
        text = self.parameters[name] if default is None else self.parameters.get(name, default)
        try:
            return parse(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


_where = choice("token", "api")


def _times(text: str) -> int | None:
    return None if text in {"always", "none", "null"} else whole(1, 1_000_000)(text)


def _header_value(text: str) -> str:
    if not 0 < len(text) <= 64 or not text.isascii() or not text.isprintable():
        raise ValueError("expected up to 64 printable ASCII characters")
    return text


def _state(emulator: Emulator, call: Call) -> None:
    return None


def _fail(emulator: Emulator, call: Call) -> None:
    where = call.read("where", _where, "token")
    code: str | None = call.parameters.get("code")
    if code is not None:
        known = {**emulator.codes, **(emulator.token_codes if where == "token" else {})}
        code = choice(*known)(code)
    status = known[code] if code and "status" not in call.parameters else call.read("status", whole(200, 599))
    # The request's own body, where it has one, becomes the body of the failure.
    body: Any = None
    if call.body:
        try:
            body = json.loads(call.body)
        except (ValueError, RecursionError):
            body = call.body
    headers = None
    if "retry_after" in call.parameters:
        headers = {"Retry-After": call.read("retry_after", _header_value)}
    fail = emulator.fail_token if where == "token" else emulator.fail_api
    fail(status, times=call.read("times", _times, "1"), body=body, headers=headers, code=code)


def _drop(emulator: Emulator, call: Call) -> None:
    drop = emulator.drop_token if call.read("where", _where, "token") == "token" else emulator.drop_api
    drop(times=call.read("times", _times, "1"), processed=call.read("processed", boolean, "false"))


def _delay(emulator: Emulator, call: Call) -> None:
    emulator.set_switch(f"{call.read('where', _where, 'token')}_delay", call.parameters["seconds"])


def _clock(emulator: Emulator, call: Call) -> None:
    emulator.set_switch("clock_offset", call.parameters["offset"])


def _advance(emulator: Emulator, call: Call) -> None:
    emulator.advance(call.read("seconds", number(0, 1e12)))


def _revoke(emulator: Emulator, call: Call) -> None:
    everything = call.read("what", choice("all", "access"), "all") == "all"
    (emulator.revoke_all if everything else emulator.revoke_access_tokens)()


def _reissue(emulator: Emulator, call: Call) -> None:
    # In the body, since a secret does not belong into a URL.
    try:
        emulator.reissue_secret(call.body.decode("utf-8") or None)
    except UnicodeDecodeError:
        raise ValueError("the body is the new secret, or empty for a random one") from None


def _renew(emulator: Emulator, call: Call) -> None:
    emulator.renew_application()


def _clear(emulator: Emulator, call: Call) -> None:
    emulator.clear_faults()


def _reset(emulator: Emulator, call: Call) -> None:
    emulator.reset()


def _switch(emulator: Emulator, call: Call) -> None:
    if not call.parameters:
        raise ValueError("name at least one switch: ?name=value")
    for name, text in call.parameters.items():
        emulator.set_switch(name, text)


_ANY: Final = None
#: action → (what it does, the parameters that it knows).
_ACTIONS: Final[dict[str, tuple[Callable[[Emulator, Call], None], frozenset[str] | None]]] = {
    "revoke": (_revoke, frozenset({"what"})),
    "reissue": (_reissue, frozenset()),
    "renew": (_renew, frozenset()),
    "fail": (_fail, frozenset({"where", "status", "code", "times", "retry_after"})),
    "drop": (_drop, frozenset({"where", "times", "processed"})),
    "clear": (_clear, frozenset()),
    "delay": (_delay, frozenset({"where", "seconds"})),
    "clock": (_clock, frozenset({"offset"})),
    "advance": (_advance, frozenset({"seconds"})),
    "switch": (_switch, _ANY),
    "reset": (_reset, frozenset()),
}


def perform(emulator: Emulator, action: str, call: Call) -> None:
    """Do what a control call asks for.

    Raises:
        ValueError: The call is not right; the message says why.
    """
    try:
        act, known = _ACTIONS[action]
        if known is not _ANY and (strange := sorted(call.parameters.keys() - known)):
            raise KeyError(strange[0])
        act(emulator, call)
    except KeyError as error:
        raise ValueError(f"missing or unknown: {error.args[0]}") from None


def routes(emulator: Emulator) -> list[web.RouteDef]:
    """Return one route per action; each answers with the state that the action has led to."""
    return [
        web.get(f"{HOUSE}state", _read(emulator.state)),
        web.get(f"{HOUSE}credentials", _guarded(_read(emulator.credentials))),
        *(web.post(f"{HOUSE}{action}", _guarded(_handler(emulator, action))) for action in _ACTIONS),
    ]


def _read(read: Callable[[], dict[str, Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        return _answer(read())

    return handle


def _handler(emulator: Emulator, action: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            perform(emulator, action, Call(request.query, await request.read()))
        except ValueError as error:
            return _answer({"error": str(error)}, 400)
        return _answer(emulator.state())

    return handle


def _guarded(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if not request.headers.get(HEADER):
            text = f"a control call needs the header {HEADER}, with any value: curl -H '{HEADER}: 1' …"
            return _answer({"error": text}, 403)
        return await handler(request)

    return handle


def _answer(value: dict[str, Any], status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.json_response(value, status=status, headers=headers)
