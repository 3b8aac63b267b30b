"""Small emulators of the vendors' servers, written from their documents; nothing of krauth or `korean_apis` is used.

An emulator is the `answer` of a `loopback.Server`: `"ok"` for a request that is credited as the document says, and the
vendor's own refusal otherwise. `ahead` is how many seconds its clock is ahead of ours.
"""

import base64
import hashlib
import hmac
import itertools
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import Reply

ACCESS_KEY, SECRET_KEY = "0100000000access-key", "canary-5ecret-key=="
KST = timezone(timedelta(hours=9))


class Emulator:
    """Base of all: redirects, the clock, and what is the same everywhere."""

    #: Fields by which the credential travels, and status and body of a refusal that stands.
    names = ("Authorization",)
    denial = (403, b'{"message": "no"}')
    #: Seconds that a signature is good for, before and after.
    good_for = 300

    def __init__(self, server):
        self.server, self.ahead = server, 0.0

    def __call__(self, seen):
        if seen.path == "/redirect":
            return Reply(302, {"Location": unquote(urlsplit(seen.target).query.removeprefix("to="))})
        reply = self.answer(seen)
        reply.headers.setdefault("Date", formatdate(self.now(), usegmt=True))
        return reply

    def now(self):
        return time.time() + self.ahead

    def answer(self, seen):
        problem = self.problem(seen)
        return Reply.json({"said": "ok"}) if problem is None else self.refusal(problem)

    def is_late(self, milliseconds):
        return abs(self.now() * 1000 - int(milliseconds)) > self.good_for * 1000


def digest(message, algorithm="sha256"):
    return hmac.digest(SECRET_KEY.encode(), message.encode("latin-1"), algorithm)


class Coupang(Emulator):
    """https://developers.coupangcorp.com/hc/ko/articles/360033461914."""

    def problem(self, seen):
        scheme, _, rest = (seen.header("Authorization") or "").partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(", ") if "=" in part)
        if scheme != "CEA" or list(fields) != ["algorithm", "access-key", "signed-date", "signature"]:
            return "Invalid HMAC format."
        if (fields["algorithm"], fields["access-key"]) != ("HmacSHA256", ACCESS_KEY):
            return "Unknown access key."
        date = fields["signed-date"]
        signed = datetime.strptime(date, "%y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if self.is_late(signed * 1000):
            return "Specified signature is expired."
        path, _, query = seen.target.partition("?")
        good = digest(date + seen.method + path + query).hex()
        return None if fields["signature"] == good else "Invalid signature."

    def refusal(self, problem):
        return Reply.json({"code": "ERROR", "message": problem, "transactionId": "1"}, 401)


class Ncloud(Emulator):
    """https://api.ncloud-docs.com/docs/common-ncpapi, and …/api-call-lgc-errorhandling."""

    names = ("x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2")
    denial = (401, b'{"error": {"errorCode": "210", "message": "Permission Denied"}}')

    def problem(self, seen):
        at, key, signature = map(seen.header, self.names)
        if None in (at, key, signature) or key != ACCESS_KEY or self.is_late(at):
            return "Authentication Failed"
        good = base64.b64encode(digest(f"{seen.method} {seen.target}\n{at}\n{key}")).decode()
        return None if signature == good else "Authentication Failed"

    def refusal(self, problem):
        return Reply.json({"error": {"errorCode": "200", "message": problem}}, 401)


class SearchAd(Emulator):
    """https://naver.github.io/searchad-apidoc."""

    names = ("X-Timestamp", "X-API-KEY", "X-Customer", "X-Signature")
    denial = (403, b'{"status": 403, "type": "urn:naver:api:problem:invalid-signature"}')
    good_for = 60

    def problem(self, seen):
        at, key, customer, signature = map(seen.header, self.names)
        if None in (at, key, customer, signature) or (key, customer) != (ACCESS_KEY, "1234567"):
            return "invalid-api-key"
        if self.is_late(at):
            return "invalid-timestamp"
        path = seen.target.partition("?")[0]
        good = base64.b64encode(digest(f"{at}.{seen.method}.{path}")).decode()
        return None if signature == good else "invalid-signature"

    def refusal(self, problem):
        return Reply.json({"status": 403, "type": f"urn:naver:api:problem:{problem}", "title": problem}, 403)


class Upbit(Emulator):
    """https://docs.upbit.com/kr/reference/auth, and …/rest-api-guide."""

    denial = (401, b'{"error": {"name": "jwt_verification", "message": "no"}}')

    def __init__(self, server):
        super().__init__(server)
        self.nonces = set()

    def problem(self, seen):
        scheme, _, jwt = (seen.header("Authorization") or "").partition(" ")
        parts = jwt.split(".")
        if scheme != "Bearer" or len(parts) != 3:
            return "no_authorization_token"
        head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in parts)
        if signature != digest(f"{parts[0]}.{parts[1]}", "sha512") or json.loads(head)["alg"] != "HS512":
            return "jwt_verification"
        claims = json.loads(claims)
        if claims["access_key"] != ACCESS_KEY:
            return "invalid_access_key"
        if claims["nonce"] in self.nonces:
            return "nonce_used"
        self.nonces.add(claims["nonce"])
        pairs = [f"{name}={value}" for name, value in self.pairs(json.loads(seen.body or b"{}"))]
        hashed = "&".join([*filter(None, [unquote(urlsplit(seen.target).query)]), *pairs])
        if not hashed:
            return None if "query_hash" not in claims else "invalid_query_payload"
        good = hashlib.sha512(hashed.encode()).hexdigest()
        is_good = (claims.get("query_hash"), claims.get("query_hash_alg")) == (good, "SHA512")
        return None if is_good else "invalid_query_payload"

    def pairs(self, fields):
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                yield name + "[]" * isinstance(value, list), one

    def refusal(self, problem):
        return Reply.json({"error": {"name": problem, "message": "no"}}, 401)


class Toss(Emulator):
    """https://docs.tosspayments.com/reference/using-api/authorization."""

    denial = (401, b'{"code": "UNAUTHORIZED_KEY", "message": "no"}')

    def problem(self, seen):
        good = "Basic " + base64.b64encode(b"test_sk_canary-5ecret:").decode()
        return None if seen.header("Authorization") == good else "UNAUTHORIZED_KEY"

    def refusal(self, problem):
        return Reply.json({"code": problem, "message": "no"}, 401)


class Issuer(Emulator):
    """What issues tokens. `good` is the access token in force; `revoke()` ends it; `asked` are the token requests."""

    #: Users report that a token that has expired is refused like this.
    expired = (401, {})

    def __init__(self, server):
        super().__init__(server)
        self.numbers, self.good, self.asked = itertools.count(1), None, []

    def answer(self, seen):
        if seen.path == self.token_path:
            self.asked.append(seen)
            return self.issue(seen)
        if self.good is not None and seen.bearer == self.good and self.problem(seen) is None:
            return Reply.json(self.said)
        status, body = self.expired
        return Reply.json(body, status)

    said = {"said": "ok"}  # noqa: RUF012

    def problem(self, seen):
        return None

    def revoke(self):
        self.good = None

    def next_token(self):
        self.good = f"canary-token-{next(self.numbers)}"
        return self.good


class KIS(Issuer):
    """https://apiportal.koreainvestment.com/apiservice-apiservice?/oauth2/tokenP."""

    names = ("Authorization", "appkey", "appsecret")
    denial = (500, b'{"rt_cd": "1", "msg_cd": "EGW00201", "msg1": "too many calls"}')
    token_path = "/oauth2/tokenP"
    expired = (500, {"rt_cd": "1", "msg_cd": "EGW00123", "msg1": "기간이 만료된 token 입니다."})
    said = {"said": "ok", "rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}  # noqa: RUF012

    def __init__(self, server):
        super().__init__(server)
        self.closed_until = 0.0

    def issue(self, seen):
        if json.loads(seen.body) != {
            "grant_type": "client_credentials",
            "appkey": ACCESS_KEY,
            "appsecret": SECRET_KEY,
        }:
            return Reply.json({"error_code": "EGW00105", "error_description": "유효하지 않은 AppSecret입니다."}, 403)
        if time.monotonic() < self.closed_until:
            said = "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
            return Reply.json({"error_code": "EGW00133", "error_description": said}, 403)
        end = datetime.fromtimestamp(self.now() + 86400, KST).strftime("%Y-%m-%d %H:%M:%S")
        answer = {"access_token": self.next_token(), "access_token_token_expired": end}
        return Reply.json({**answer, "token_type": "Bearer", "expires_in": 86400})

    def problem(self, seen):
        return None if (seen.header("appkey"), seen.header("appsecret")) == (ACCESS_KEY, SECRET_KEY) else "EGW00103"


class Kiwoom(Issuer):
    """https://openapi.kiwoom.com/guide/apiguide, au10001."""

    denial = (200, '{"return_code": 5, "return_msg": "허용된 요청 개수를 초과하였습니다"}'.encode())
    token_path = "/oauth2/token"
    expired = (200, {"return_code": 3, "return_msg": "인증에 실패했습니다[8005:Token이 유효하지 않습니다]"})
    said = {"said": "ok", "return_code": 0, "return_msg": "정상적으로 처리되었습니다"}  # noqa: RUF012

    def issue(self, seen):
        if json.loads(seen.body) != {
            "grant_type": "client_credentials",
            "appkey": ACCESS_KEY,
            "secretkey": SECRET_KEY,
        }:
            return Reply.json(
                {"return_code": 3, "return_msg": "인증에 실패했습니다[8001:App Key와 Secret Key 검증에 실패했습니다]"}
            )
        end = datetime.fromtimestamp(self.now() + 86400, KST).strftime("%Y%m%d%H%M%S")
        answer = {"expires_dt": end, "token_type": "bearer", "token": self.next_token()}
        return Reply.json({**answer, "return_code": 0, "return_msg": "정상적으로 처리되었습니다"})


class Signed(Issuer):
    """A server of RFC 6749 that a user signs in to: a code, then refresh tokens that are good for one use each."""

    rotates = True

    def __init__(self, server):
        super().__init__(server)
        self.refresh_token = None

    def issue(self, seen):
        fields = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        if not self.is_client(seen, fields):
            return Reply.json({"error": "invalid_client", "error_description": "no"}, 401)
        grant = fields["grant_type"]
        is_code = grant == "authorization_code" and fields["code"] == "the-code"
        if not is_code and (grant, fields.get("refresh_token")) != ("refresh_token", self.refresh_token):
            return Reply.json({"error": "invalid_grant", "error_description": "no"}, 400)
        is_new = is_code or self.rotates
        if is_new:
            self.refresh_token = f"canary-refresh-{next(self.numbers)}"
        return Reply.json(self.token(is_new))


class Cafe24(Signed):
    """https://developer.cafe24.com/guide/front/develop?guide_no=157."""

    token_path = "/api/v2/oauth/token"
    expired = (401, {"error": {"code": 401, "message": "access_token time expired. (invalid_token)"}})

    def is_client(self, seen, fields):
        return seen.header("Authorization") == "Basic " + base64.b64encode(b"app:canary-5ecret").decode()

    def token(self, is_new):
        ends = [
            datetime.fromtimestamp(self.now() + seconds, KST).isoformat(timespec="milliseconds").removesuffix("+09:00")
            for seconds in (7200, 14 * 86400)
        ]
        answer = {"access_token": self.next_token(), "expires_at": ends[0], "client_id": "app", "mall_id": "shop1"}
        answer |= {"refresh_token": self.refresh_token, "refresh_token_expires_at": ends[1]}
        return {**answer, "scopes": ["mall.read_product", "mall.read_order"], "user_id": "shop1"}


class Kakao(Signed):
    """https://developers.kakao.com/docs/latest/ko/kakaologin/rest-api."""

    denial = (403, b'{"msg": "insufficient scopes.", "code": -402}')
    token_path = "/oauth/token"
    expired = (401, {"msg": "this access token does not exist", "code": -401})
    rotates = False

    def is_client(self, seen, fields):
        return (fields.get("client_id"), fields.get("client_secret")) == ("app", "canary-5ecret")

    def token(self, is_new):
        answer = {"token_type": "bearer", "access_token": self.next_token(), "expires_in": 21599}
        return (
            {**answer, "refresh_token": self.refresh_token, "refresh_token_expires_in": 5184000} if is_new else answer
        )
