"""Naver Commerce API as its documents describe it; `_emulator` does the traffic, `_signature` the bcrypt."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiohttp import web

from . import _echo
from ._control import boolean, number
from ._emulator import Emulator, answer_json, bearer
from ._form import FORM, FormError, parse_form
from ._limits import RateWindow
from ._signature import is_secret, is_signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._clock import TokenClock
    from ._faults import Kind

# "토큰 유효기간은 3시간": the lifetime of a new token, in seconds.
LIFETIME: Final = 10_800
# "While 30 minutes or more remain, the server returns the same token again."
REISSUE_BELOW: Final = 1_800
# "`timestamp`는 서버 시간을 사용하며, 5분 이내에 유효합니다"
TIMESTAMP_WINDOW: Final = 300.0
# Reported: after a malformed token request "issuance falls to one an hour".
PUNISHMENT: Final = 3_600

_KST = timezone(timedelta(hours=9))
_BASE = "/{base:external|partner}"
_TOKEN_PATHS = frozenset({"/external/v1/oauth2/token", "/partner/v1/oauth2/token"})
_REQUIRED = ("client_id", "timestamp", "client_secret_sign", "grant_type", "type")
_TIMESTAMP = re.compile(r"[0-9]{1,19}")

# status -> (code, message); the codes are the document's, the messages are its own only for GW.AUTHN.
_ERRORS: Final[dict[str, tuple[int, str]]] = {
    "GW.AUTHN": (401, "요청을 보낼 권한이 없습니다."),
    "GW.IP_NOT_ALLOWED": (403, "호출이 허용되지 않은 IP입니다."),
    "GW.NOT_FOUND": (404, "요청하신 리소스를 찾을 수 없습니다."),
    "GW.UNSUPPORTED_MEDIA_TYPE": (415, "지원하지 않는 Content-Type입니다."),
    "GW.RATE_LIMIT": (429, "요청이 많아 서비스를 일시적으로 사용할 수 없습니다."),
    "GW.QUOTA_LIMIT": (429, "요청이 할당량을 초과하였습니다."),
    "GW.INTERNAL_SERVER_ERROR": (500, "일시적인 오류가 발생하였습니다."),
    "GW.BLOCK.01": (503, "서비스가 일시적으로 차단되었습니다."),
    "GW.TIMEOUT.01": (504, "응답 시간이 초과되었습니다."),
}
_CODE_OF_STATUS: Final = {status: code for code, (status, _) in reversed(_ERRORS.items())}


@dataclass(frozen=True, slots=True)
class _Resource:
    """What a token is for: "One token per resource (`type` + `account_id`)"."""

    type: str
    account_id: str


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    resource: _Resource
    expires_at: float


class NaverEmulator(Emulator):
    """The token endpoint and a few API calls, under /external and /partner."""

    provider: ClassVar[str] = "naver"
    switches: ClassVar = {
        "ip_allowed": boolean,
        "punish_malformed": boolean,
        "timestamp_window": number,
        "future_tolerance": number,
    }

    def __init__(
        self,
        clock: TokenClock,
        *,
        client_id: str,
        client_secret: str,
        accounts: Mapping[str, str],
        own_account: tuple[str, str],
        speed: float = 1.0,
    ) -> None:
        if not is_secret(client_secret):
            # Never quoted: it is a secret, even a mangled one.
            raise ValueError("the Naver client secret must be a bcrypt salt: '$2a$04$' and 22 characters")
        self._client_id = client_id
        self._client_secret = client_secret
        self._accounts = dict(accounts)
        self._own_account = own_account
        # "seller ID or UID": either names the same resource.
        self._account_id_of = {uid: account_id for account_id, uid in accounts.items()} | {a: a for a in accounts}
        self._trace_numbers = itertools.count(1)
        super().__init__(clock, speed=speed)

    def _reset(self) -> None:
        self.ip_allowed = True
        """False: 403 GW.IP_NOT_ALLOWED at the token endpoint and the API alike."""
        self.punish_malformed = False
        """True: after one malformed token request, issuance falls to one an hour (429 GW.QUOTA_LIMIT)."""
        self.timestamp_window = TIMESTAMP_WINDOW
        """Seconds that a timestamp may lie in the past, by this server's clock."""
        self.future_tolerance = 1.0
        """Seconds that a timestamp may lie in the future, by this server's clock."""
        self.burst_capacity = 20
        """Requests per second that `enforce_rate_limit` lets through, and the headers announce."""
        self._window = RateWindow(1.0)
        self._punished = False
        self._granted_at: float | None = None
        self._live: dict[str, _Token] = {}
        self._current: dict[_Resource, _Token] = {}

    def revoke_all(self) -> None:
        """Make every token unusable from now on; the next token request gets a new one."""
        with self._lock:
            self._live.clear()
            self._current.clear()

    # ---- the gateway -------------------------------------------------------------------------------------

    def _kind(self, path: str) -> Kind:
        return "token" if path in _TOKEN_PATHS else "api"

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"{_BASE}/v1/oauth2/token", self._token),
            web.get(f"{_BASE}/v1/seller/account", self._seller_account),
            web.get(
                f"{_BASE}/v1/pay-order/seller/product-orders/last-changed-statuses",
                self._last_changed_statuses,
            ),
            web.post(f"{_BASE}/v2/products", self._write_product),
            web.put(f"{_BASE}/v1/products/{{id}}", self._write_product),
            *_echo.routes(_BASE),
        ]

    def _gate(self, request: web.Request, kind: Kind) -> web.StreamResponse | None:
        # "the token endpoint answers it too"
        if not self.ip_allowed:
            return self._error("GW.IP_NOT_ALLOWED")
        if kind != "api":
            return None
        used, _ = self._window.take()
        if self.enforce_rate_limit and used > self.burst_capacity:
            return self._error("GW.RATE_LIMIT")  # "there may be no `Retry-After`": there is none
        if request.match_info.http_exception is None and self._token_of(request) is None:
            return self._error("GW.AUTHN")
        return None

    def _decorate(self, kind: Kind, response: web.StreamResponse) -> None:
        response.headers.setdefault("GNCP-GW-Trace-ID", self._trace_id())
        if kind == "api":
            remaining = max(0, self.burst_capacity - self._window.last[0])
            response.headers.setdefault("GNCP-GW-RateLimit-Replenish-Rate", str(self.burst_capacity))
            response.headers.setdefault("GNCP-GW-RateLimit-Burst-Capacity", str(self.burst_capacity))
            response.headers.setdefault("GNCP-GW-RateLimit-Remaining", str(remaining))

    def _not_found(self) -> web.Response:
        return self._error("GW.NOT_FOUND")

    def _fault_response(self, kind: Kind, status: int) -> web.Response:
        if kind == "token" and status == 400:
            return self._invalid("client_secret_sign")
        if status < 400:
            return answer_json({}, status=status)
        return self._error(_CODE_OF_STATUS.get(status, "GW.INTERNAL_SERVER_ERROR"), status=status)

    def _error(self, code: str, *, status: int | None = None) -> web.Response:
        # The document's sample: {"code", "message", "timestamp", "traceId"}, and the id in a header again.
        documented, message = _ERRORS[code]
        trace_id = self._trace_id()
        body = {"code": code, "message": message, "timestamp": self._timestamp(), "traceId": trace_id}
        return answer_json(body, status=status or documented, headers={"GNCP-GW-Trace-ID": trace_id})

    def _invalid(self, *names: str) -> web.Response:
        # The token endpoint's own: {code, message, timestamp, invalidInputs: [{name, type, message}], data}
        return answer_json(
            {
                "code": "BAD_REQUEST",
                "message": "잘못된 요청입니다.",
                "timestamp": self._timestamp(),
                "invalidInputs": [
                    {"name": name, "type": "NotValid", "message": f"{name} 항목이 유효하지 않습니다."} for name in names
                ],
                "data": None,
            },
            status=400,
        )

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self.wall(), _KST).isoformat(timespec="milliseconds")

    def _trace_id(self) -> str:
        # Shaped like the document's "cr3-000000-aaaaaa^1730711073284^6745261".
        return f"krs-000000-{secrets.token_hex(3)}^{int(self.wall() * 1000)}^{next(self._trace_numbers)}"

    # ---- the token endpoint ------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        if self._quota_is_spent():
            return self._error("GW.QUOTA_LIMIT")
        # Parameters travel in the body as a form; "today [the query string] gets 415".
        if request.query_string or request.content_type != FORM:
            return self._malformed(self._error("GW.UNSUPPORTED_MEDIA_TYPE"))
        try:
            fields, repeated = parse_form(await request.read())
        except FormError:
            return self._malformed(self._invalid(*_REQUIRED))
        wrong = _misshapen(fields, repeated)
        if wrong:
            return self._malformed(self._invalid(*wrong))
        refused = await self._refused_field(fields)
        if refused is not None:
            return self._invalid(refused)
        return answer_json(self._grant(self._resource(fields)))

    async def _refused_field(self, fields: Mapping[str, str]) -> str | None:
        if fields["client_id"] != self._client_id:
            return "client_id"
        age = self.wall() - int(fields["timestamp"]) / 1000
        # "valid 5 minutes by the server's clock; a timestamp in the future is refused"
        if not -self.future_tolerance <= age <= self.timestamp_window:
            return "timestamp"
        # A cost-10 secret takes tens of milliseconds: not on the loop that serves everyone else.
        signed = await asyncio.get_running_loop().run_in_executor(
            None,
            is_signed,
            fields["client_secret_sign"],
            fields["client_id"],
            fields["timestamp"],
            self._client_secret,
        )
        if not signed:
            return "client_secret_sign"
        if fields["type"] == "SELLER" and fields["account_id"] not in self._account_id_of:
            return "account_id"
        return None

    def _resource(self, fields: Mapping[str, str]) -> _Resource:
        if fields["type"] == "SELF":
            return _Resource("SELF", self._own_account[0])
        return _Resource("SELLER", self._account_id_of[fields["account_id"]])

    def _grant(self, resource: _Resource) -> dict[str, Any]:
        with self._lock:
            now = self._clock.now()
            self._granted_at = now
            token = self._current.get(resource)
            # "While 30 minutes or more remain, the server returns the same token again; with less, it issues
            # a new one and the old one stays good until its own expiry."
            if token is None or token.expires_at - now < REISSUE_BELOW / self.speed:
                token = _Token(secrets.token_urlsafe(24), resource, now + LIFETIME / self.speed)
                self._live = {value: old for value, old in self._live.items() if old.expires_at > now}
                self._live[token.value] = self._current[resource] = token
                self._tokens_issued += 1
            # "`expires_in` is the time that remains, not always 10 800"
            return {
                "access_token": token.value,
                "expires_in": int(token.expires_at - now),
                "token_type": "Bearer",
            }

    def _malformed(self, response: web.Response) -> web.Response:
        with self._lock:
            self._punished = self._punished or self.punish_malformed
        return response

    def _quota_is_spent(self) -> bool:
        with self._lock:
            if not (self.punish_malformed and self._punished) or self._granted_at is None:
                return False
            return self._clock.now() - self._granted_at < PUNISHMENT / self.speed

    # ---- the API -----------------------------------------------------------------------------------------

    def _token_of(self, request: web.Request) -> _Token | None:
        with self._lock:
            token = self._live.get(bearer(request) or "")
            return token if token is not None and token.expires_at > self._clock.now() else None

    async def _seller_account(self, request: web.Request) -> web.Response:
        token = self._token_of(request)
        if token is None:  # it expired since the gate
            return self._error("GW.AUTHN")
        account_id = token.resource.account_id
        uid = self._own_account[1] if token.resource.type == "SELF" else self._accounts[account_id]
        return answer_json({"accountId": account_id, "accountUid": uid, "grade": "BIG_POWER"})

    async def _last_changed_statuses(self, request: web.Request) -> web.Response:
        order = {
            "productOrderId": "2025092600000001",
            "orderId": "2025092600000000",
            "lastChangedType": "PAYED",
            "lastChangedDate": self._timestamp(),
            "productOrderStatus": "PAYED",
        }
        return answer_json(
            {
                "timestamp": self._timestamp(),
                "traceId": self._trace_id(),
                "data": {"lastChangeStatuses": [order], "count": 1},
            }
        )

    async def _write_product(self, request: web.Request) -> web.Response:
        described = await _echo.digest(request)
        try:
            product: Any = json.loads(await request.read())
        except ValueError:
            product = None
        number = request.match_info.get("id", "100000001")
        return answer_json({"originProductNo": number, **described, "product": product})


def _misshapen(fields: Mapping[str, str], repeated: list[str]) -> list[str]:
    """Name the fields without which, or with which, a token request cannot succeed for anyone."""
    wrong = [name for name in _REQUIRED if not fields.get(name)] + repeated
    if fields.get("grant_type") not in {None, "", "client_credentials"}:
        wrong.append("grant_type")
    if fields.get("type") not in {None, "", "SELF", "SELLER"}:
        wrong.append("type")
    if fields.get("timestamp") and not _TIMESTAMP.fullmatch(fields["timestamp"]):
        wrong.append("timestamp")
    # "`account_id`: with `SELLER` only, and must not be sent with `SELF`"
    if fields.get("type") == "SELLER" and not fields.get("account_id"):
        wrong.append("account_id")
    if fields.get("type") == "SELF" and "account_id" in fields:
        wrong.append("account_id")
    return list(dict.fromkeys(wrong))
