"""Naver Commerce API as its documents describe it, and as its users report it."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

import bcrypt
from aiohttp import web

from .._ground import echo
from .._ground.form import FORM, FormError, parse_form, query_of
from .._ground.limits import TokenBucket
from .._ground.parsers import boolean, choice, number, whole
from .._ground.reply import Reply, answer_json, bearer, wrong
from .._ground.switches import Switch
from .._server.emulator import Emulator, LiveToken
from .errors import CODE_OF_STATUS, ERRORS
from .quota import HOUR, PERIODS, Penalty, Quota, QuotaCounter
from .signature import fault_of, is_secret
from .tokens import LIFETIME, REISSUE_BELOW, Resource, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._ground.clock import TokenClock
    from .._ground.faults import Kind
    from .._ground.reply import Wrong

# "`timestamp`는 서버 시간을 사용하며, 5분 이내에 유효합니다"
TIMESTAMP_WINDOW: Final = 300.0
# "An application of an own store lapses after 180 days unless renewed by hand", in seconds.
LAPSE: Final = 180 * 86_400.0

_KST = timezone(timedelta(hours=9))
_BASE = "/{base:external|partner}"
_TOKEN_PATHS = frozenset({"/external/v1/oauth2/token", "/partner/v1/oauth2/token"})
_REQUIRED = ("client_id", "timestamp", "client_secret_sign", "grant_type", "type")
_TIMESTAMP = re.compile(r"[0-9]{1,19}")
_TRACES: Final = ("both", "old", "new", "none")
_APPLICATIONS: Final = ("store", "agency", "data_solution")
#: The most milliseconds that are taken for seconds: as milliseconds they lie before 1973.
_SECONDS_BELOW: Final = 10**11
_YES_NO: Final = ("true", "false")


class NaverEmulator(Emulator):
    """The token endpoint and a few API calls, under /external and /partner."""

    provider: ClassVar[str] = "naver"
    codes: ClassVar[Mapping[str, int]] = {code: status for code, (status, _) in ERRORS.items()}
    token_codes: ClassVar[Mapping[str, int]] = {"BAD_REQUEST": 400}

    ip_allowed = Switch(True, boolean, choices=_YES_NO)
    """False: 403 GW.IP_NOT_ALLOWED at the token endpoint and the API alike."""
    application_kind = Switch("store", choice(*_APPLICATIONS), choices=_APPLICATIONS)
    """`agency`: 403 GW.IP_NOT_ALLOWED on /external. `data_solution`: API calls answer 403 GW.AUTHN."""
    api_group = Switch(True, boolean, choices=_YES_NO)
    """False: the application lacks the API group of every call, which answers 401 GW.AUTHN to a good token."""
    lapsed = Switch(False, boolean, choices=_YES_NO)
    """True: the application has lapsed, as it does 180 days after `renew_application` or a reset.

    What the vendor answers then is not known; here it is 400 for client_id, and 401 GW.AUTHN from the API.
    """
    punish_malformed = Switch(False, boolean, choices=_YES_NO)
    """True: a malformed token request begins the penalty, which ends an hour after the last one.

    The penalty: one token an hour, and 429 GW.QUOTA_LIMIT with Quota-Period HOURS instead of others and of API calls.
    """
    malformed_elsewhere = Switch(False, boolean, choices=_YES_NO)
    """True: another program at a registered IP sends malformed token requests, so the penalty lasts."""
    penalty_reaches_api = Switch(True, boolean, choices=_YES_NO)
    """False: the penalty concerns the token endpoint alone."""
    query_string = Switch("refuse", choice("refuse", "punish"), choices=("refuse", "punish"))
    """Token parameters in the URL: `refuse` answers 415; `punish` takes them and begins the penalty. Reports differ."""
    timestamp_window = Switch(TIMESTAMP_WINDOW, number(0, 1e9))
    """Seconds that a timestamp may lie in the past, by this server's clock."""
    future_tolerance = Switch(1.0, number(0, 1e9))
    """Seconds that a timestamp may lie in the future, by this server's clock."""
    replenish_rate = Switch(10, whole(1, 1_000_000))
    """Requests a second of each API that `enforce_rate_limit` lets through; at once it is twice as many."""
    quota_period = Switch("none", choice("none", *PERIODS), choices=("none", *PERIODS))
    """The quota's period: `SECONDS` for solutions, `ROUND` for data solutions; an own store's application has none."""
    quota_limit = Switch(100, whole(0, 1_000_000))
    """API calls in a period of the quota."""
    trace_ids = Switch("both", choice(*_TRACES), choices=_TRACES)
    """The shape of trace ids: that of the document, that of 2025, both in turn, or no trace id at all."""
    same_token = Switch(True, boolean, choices=_YES_NO)
    """False: a new token for every request, against the document."""
    lifetime = Switch(float(LIFETIME), number(1, 1e9))
    """Seconds that a new token lives, before they are divided by `speed`."""
    token_status = Switch(200, whole(200, 299), choices=("200", "201"))
    """The status of a token answer."""

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
        self._client_id = client_id
        self._secrets = [_checked(client_secret)]
        self._accounts = dict(accounts)
        self._own_account = own_account
        # "seller ID or UID": either names the same resource.
        self._account_id_of = {uid: account_id for account_id, uid in accounts.items()} | {a: a for a in accounts}
        self._trace_numbers = itertools.count(1)
        super().__init__(clock, speed=speed)

    def _reset(self) -> None:
        self._tokens = Tokens(self._clock)
        self._penalty = Penalty(self._clock)
        self._quota = QuotaCounter(self._clock)
        self._buckets: dict[str, TokenBucket] = {}
        self._renewed_at = self._clock.now()

    # ---- what a test reads and switches --------------------------------------------------------------------

    @property
    def client_secret(self) -> str:
        """The secret that is good now."""
        return self._secrets[-1]

    @property
    def burst_capacity(self) -> int:
        """Requests of one API that are let through at once after a pause: "Burst-Capacity = 2 × Replenish-Rate"."""
        return 2 * self.replenish_rate

    @property
    def punished(self) -> bool:
        """Whether the penalty lasts."""
        return self.malformed_elsewhere or self._penalty.lasts(HOUR / self.speed)

    def tokens(self) -> list[LiveToken]:
        """Return the tokens that are good now, the newest last."""
        with self._lock:
            return [
                LiveToken(
                    self.provider,
                    "access",
                    token.value,
                    " ".join(dict.fromkeys((token.resource.type, token.resource.account_id))),
                    "",
                    self._tokens.left(token),
                )
                for token in self._tokens.live()
            ]

    def credentials(self) -> dict[str, str]:
        """Return what this server accepts, by the name of the environment variable that the library reads."""
        return {
            "NAVER_COMMERCE_CLIENT_ID": self._client_id,
            "NAVER_COMMERCE_CLIENT_SECRET": self.client_secret,
            "NAVER_COMMERCE_ACCOUNT_ID": next(iter(self._accounts)),
        }

    @property
    def accounts(self) -> dict[str, str]:
        """The sellers that exist: account id → account uid."""
        return dict(self._accounts)

    def revoke_all(self) -> None:
        """Make every token unusable from now on; the next token request gets a new one."""
        with self._lock:
            self._tokens.revoke_all()

    def reissue_secret(self, client_secret: str | None = None) -> str:
        """Give the application a new secret (None: a random one) and return it; the old one is dead at once."""
        new = _checked(client_secret or bcrypt.gensalt(4, prefix=b"2a").decode("ascii"))
        with self._lock:
            self._secrets.append(new)
        return new

    def renew_application(self) -> None:
        """Renew the application by hand, as an owner has to do every 180 days."""
        self.lapsed = False
        self._renewed_at = self._clock.now()

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
            *echo.routes(_BASE),
        ]

    def _gate(self, request: web.Request, kind: Kind) -> Reply | None:
        # "the token endpoint answers it too"
        if not self.ip_allowed:
            return self._error("GW.IP_NOT_ALLOWED", wrong("The caller's IP address is not registered (switch)."))
        if self.application_kind == "agency" and request.path.startswith("/external/"):
            problem = wrong("An agency's application must use /partner, not /external.")
            return self._error("GW.IP_NOT_ALLOWED", problem)
        return self._api_gate(request) if kind == "api" else None

    def _api_gate(self, request: web.Request) -> Reply | None:
        if not self._bucket(request).take(self.replenish_rate, self.burst_capacity) and self.enforce_rate_limit:
            # "there may be no `Retry-After`": there is none
            return self._error("GW.RATE_LIMIT", wrong("Too many calls of this API."))
        if self.punished and self.penalty_reaches_api:
            return self._punish()
        if self.quota_period != "none" and not self._quota.take(self.quota_period, self.quota_limit):
            return self._error("GW.QUOTA_LIMIT", wrong("The quota of the application is used up."))
        if request.match_info.http_exception is not None:
            return None
        problem = self._token_fault(request)
        if problem is not None:
            return self._error("GW.AUTHN", problem)
        if self.application_kind == "data_solution":
            problem = wrong("The application is of the wrong kind for this API.")
            return self._error("GW.AUTHN", problem, status=403)
        if not self.api_group:
            return self._error("GW.AUTHN", wrong("The application lacks the API group of this call."))
        return None

    def _token_fault(self, request: web.Request) -> Wrong | None:
        value = bearer(request)
        if value is None:
            return wrong("There is no Authorization header.")
        if not value:
            return wrong("The Authorization header does not hold a bearer token.")
        with self._lock:
            token = self._tokens.find(value)
            if token is None:
                return wrong("The token was not issued here.")
            if token.revoked:
                return wrong("The token was revoked.")
            if self._tokens.left(token) <= 0:
                return wrong("The token has expired.")
        return wrong("The application has lapsed; it must be renewed every 180 days.") if self._is_lapsed() else None

    def _is_lapsed(self) -> bool:
        return self.lapsed or self._clock.now() - self._renewed_at >= LAPSE

    def _bucket(self, request: web.Request) -> TokenBucket:
        # "token bucket per API and application"
        resource = request.match_info.route.resource
        name = f"{request.method} {resource.canonical if resource is not None else '?'}"
        with self._lock:
            return self._buckets.setdefault(name, TokenBucket())

    def _decorate(self, request: web.Request, kind: Kind, response: web.StreamResponse, seconds: float) -> None:
        headers = response.headers
        if "GNCP-GW-Trace-ID" not in headers and (trace_id := self._trace_id()):
            headers["GNCP-GW-Trace-ID"] = trace_id
        headers.setdefault("GNCP-GW-HttpClient-ResponseTime", str(int(seconds * 1000)))
        if kind != "api":
            return
        remaining = self._bucket(request).remaining(self.replenish_rate, self.burst_capacity)
        headers.setdefault("GNCP-GW-RateLimit-Replenish-Rate", str(self.replenish_rate))
        headers.setdefault("GNCP-GW-RateLimit-Burst-Capacity", str(self.burst_capacity))
        headers.setdefault("GNCP-GW-RateLimit-Remaining", str(remaining))
        if self.quota_period != "none" and "GNCP-GW-Quota-Period" not in headers:
            headers.update(self._quota.look(self.quota_period, self.quota_limit).headers)

    def _not_found(self) -> Reply:
        return self._error("GW.NOT_FOUND", wrong("There is nothing at this path, or not for this method."))

    def _fault_response(self, kind: Kind, status: int, code: str | None) -> Reply:
        if code == "BAD_REQUEST" or (code is None and kind == "token" and status == 400):
            return self._invalid(wrong("Nothing: this fault was switched on here."), "client_secret_sign")
        if status < 400:
            return answer_json({}, status=status)
        return self._error(code or CODE_OF_STATUS.get(status, "GW.INTERNAL_SERVER_ERROR"), status=status)

    def _error(self, code: str, problem: Wrong | None = None, *, status: int | None = None) -> Reply:
        # The document's sample: {"code", "message", "timestamp", "traceId"}, and the id in a header again.
        documented, message = ERRORS[code]
        body = {"code": code, "message": message, "timestamp": self._timestamp()}
        reply = answer_json({}, status=status or documented, wrong=problem)
        if trace_id := self._trace_id():
            body["traceId"] = reply.headers["GNCP-GW-Trace-ID"] = trace_id
        reply.text = json.dumps(body, ensure_ascii=False)
        return reply

    def _punish(self) -> Reply:
        # "seen with `GNCP-GW-Quota-Period: HOURS`", and no Retry-After.
        problem = wrong("The penalty for malformed token requests lasts: one token an hour, no API calls.")
        reply = self._error("GW.QUOTA_LIMIT", problem)
        reply.headers.update(Quota("HOURS", 1, 0).headers)
        return reply

    def _invalid(self, problem: Wrong, *names: str) -> Reply:
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
            wrong=problem,
        )

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self.wall(), _KST).isoformat(timespec="milliseconds")

    def _trace_id(self) -> str | None:
        if self.trace_ids == "none":
            return None
        count = next(self._trace_numbers)
        old = self.trace_ids == "old" or (self.trace_ids == "both" and count % 2 == 1)
        # The document's "cr3-000000-aaaaaa^1730711073284^6745261"; since 2025 also 22 base64url characters first.
        first = f"krs-000000-{secrets.token_hex(3)}" if old else secrets.token_urlsafe(16)
        return f"{first}^{int(self.wall() * 1000)}^{count}"

    # ---- the token endpoint ------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        fields, refused, malformed = await self._read_fields(request)
        with self._lock:
            hour = HOUR / self.speed
            spent = self.punished and not self._penalty.grants(hour)
            if malformed:
                self._penalty.malformed()
        if spent:
            return self._punish()
        if refused is None:
            refused = await self._refused_field(request, fields)
        if refused is not None:
            return refused
        answer = answer_json(self._grant(self._resource(fields)), status=self.token_status)
        if malformed:
            answer.wrong = wrong("The parameters stand in the URL, which brings the penalty; they belong in the body.")
        return answer

    async def _read_fields(self, request: web.Request) -> tuple[dict[str, str], Reply | None, bool]:
        """Return the parameters, the refusal of a malformed request, and whether it is punished."""
        punishes = self.punish_malformed
        query = query_of(request)
        if query and self.query_string == "refuse":
            problem = wrong("The parameters stand in the URL; they belong in the body. Naver punishes this.")
            return {}, _unsupported(problem), punishes
        body = await request.read()
        if request.content_type != FORM and not (query and not body):
            problem = wrong("Content-Type is not application/x-www-form-urlencoded. Naver punishes this.")
            return {}, _unsupported(problem), punishes
        try:
            fields, repeated = parse_form(b"&".join(filter(None, [query, body])))
        except FormError:
            problem = wrong("The body is not a form in UTF-8. Naver punishes this.")
            return {}, self._invalid(problem, *_REQUIRED), punishes
        names = _misshapen(fields, repeated)
        if names:
            problem = wrong(
                "Missing, repeated or impossible: {names}. Naver punishes this.", names=", ".join(names)[:200]
            )
            return fields, self._invalid(problem, *names), punishes or bool(query)
        return fields, None, bool(query)

    async def _refused_field(self, request: web.Request, fields: Mapping[str, str]) -> Reply | None:
        if fields["client_id"] != self._client_id:
            return self._invalid(wrong("There is no application with this client_id."), "client_id")
        if self._is_lapsed():
            problem = wrong("The application has lapsed; it must be renewed every 180 days.")
            return self._invalid(problem, "client_id")
        # "Agencies use the base path `/partner` […] and only `type=SELLER`"
        if fields["type"] == "SELF" and request.path.startswith("/partner/"):
            return self._invalid(wrong("On /partner the type must be SELLER, with an account_id."), "type")
        problem_of_time = self._timestamp_fault(int(fields["timestamp"]))
        if problem_of_time is not None:
            return self._invalid(problem_of_time, "timestamp")
        # A cost-10 secret takes tens of milliseconds: not on the loop that serves everyone else.
        problem_of_sign = await asyncio.get_running_loop().run_in_executor(None, self._sign_fault, fields)
        if problem_of_sign is not None:
            return self._invalid(problem_of_sign, "client_secret_sign")
        if fields["type"] == "SELLER" and fields["account_id"] not in self._account_id_of:
            return self._invalid(wrong("There is no seller with this account_id."), "account_id")
        return None

    def _timestamp_fault(self, timestamp: int) -> Wrong | None:
        age = self.wall() - timestamp / 1000
        # "valid 5 minutes by the server's clock; a timestamp in the future is refused"
        if -self.future_tolerance <= age <= self.timestamp_window:
            return None
        if timestamp < _SECONDS_BELOW:
            return wrong("timestamp is in seconds; it must be in milliseconds.")
        if age < 0:
            return wrong("timestamp lies {seconds} s in the future.", seconds=f"{-age:.0f}")
        return wrong(
            "timestamp is {seconds} s old; {limit} s are allowed.",
            seconds=f"{age:.0f}",
            limit=f"{self.timestamp_window:.0f}",
        )

    def _sign_fault(self, fields: Mapping[str, str]) -> Wrong | None:
        *old, good = self._secrets
        parts = fields["client_secret_sign"], fields["client_id"], fields["timestamp"]
        problem = fault_of(*parts, good)
        if problem is not None and any(fault_of(*parts, secret) is None for secret in old[-3:]):
            return wrong("client_secret_sign was made with the secret from before the reissue.")
        return problem

    def _resource(self, fields: Mapping[str, str]) -> Resource:
        if fields["type"] == "SELF":
            return Resource("SELF", self._own_account[0])
        return Resource("SELLER", self._account_id_of[fields["account_id"]])

    def _grant(self, resource: Resource) -> dict[str, Any]:
        with self._lock:
            token, new = self._tokens.grant(
                resource,
                lifetime=self.lifetime / self.speed,
                reissue_below=REISSUE_BELOW / self.speed if self.same_token else float("inf"),
            )
            self._penalty.granted()
            self._tokens_issued += new
            # "`expires_in` is the time that remains, not always 10 800"
            return {
                "access_token": token.value,
                "expires_in": int(self._tokens.left(token)),
                "token_type": "Bearer",
            }

    # ---- the API -----------------------------------------------------------------------------------------

    async def _seller_account(self, request: web.Request) -> web.Response:
        with self._lock:
            token = self._tokens.find(bearer(request) or "")
        if token is None:
            return self._error("GW.AUTHN", wrong("The token was not issued here."))
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
        described = await echo.digest(request)
        try:
            product: Any = json.loads(await request.read())
        except (ValueError, RecursionError):
            product = None
        number = request.match_info.get("id", "100000001")
        return answer_json({"originProductNo": number, **described, "product": product})


def _checked(client_secret: str) -> str:
    if not is_secret(client_secret):
        # Never quoted: it is a secret, even a mangled one.
        raise ValueError("the Naver client secret must be a bcrypt salt: '$2a$04$' and 22 characters")
    return client_secret


def _unsupported(problem: Wrong) -> Reply:
    # Reported with status 415; what its body says is not known, and the vendor's list of codes has none for it.
    reply = Reply(status=415)
    reply.wrong = problem
    return reply


def _misshapen(fields: Mapping[str, str], repeated: list[str]) -> list[str]:
    """Name the fields without which, or with which, a token request can never succeed."""
    found = [name for name in _REQUIRED if not fields.get(name)] + repeated
    if fields.get("grant_type") not in {None, "", "client_credentials"}:
        found.append("grant_type")
    if fields.get("type") not in {None, "", "SELF", "SELLER"}:
        found.append("type")
    if fields.get("timestamp") and not _TIMESTAMP.fullmatch(fields["timestamp"]):
        found.append("timestamp")
    # "`account_id`: with `SELLER` only, and must not be sent with `SELF`"
    if fields.get("type") == "SELLER" and not fields.get("account_id"):
        found.append("account_id")
    if fields.get("type") == "SELF" and "account_id" in fields:
        found.append("account_id")
    return list(dict.fromkeys(found))
