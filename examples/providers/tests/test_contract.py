"""`krauth.testing.ProviderContract` for each provider: nothing is sent, a callable answers token requests."""

import itertools
import json
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from korean_apis import kakao
from korean_apis import requests as apis

from krauth import HTTPResponse, MemoryStore, Token
from krauth.testing import ProviderContract
from krauth_requests import OAuth2Auth

KEYS = ("0100000000access-key", "canary-5ecret-key==")


PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
documented: dict = {"__name__": "documented"}
exec("\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)), documented)


class TestDocumented(documented["TestExampleAuth"]):
    """The provider of the documentation passes the contract that stands below it."""


class Tokens(ProviderContract):
    """A provider with tokens; `answer` is what its token endpoint says."""

    secrets = (KEYS[1], "canary-token", "canary-refresh")

    def issue(self, request):
        assert request.method == "POST"
        self.numbers = getattr(self, "numbers", None) or itertools.count(1)
        return HTTPResponse(200, {}, json.dumps(self.answer(f"canary-token-{next(self.numbers)}")).encode())

    def ends(self, form):
        return datetime.fromtimestamp(self.clock.time() + 7200, timezone(timedelta(hours=9))).strftime(form)

    @property
    def settings(self):
        return {"store": MemoryStore(), "token_transport": self.issue}


class TestCoupang(ProviderContract):
    url = "https://api-gateway.coupang.com/v2/providers/x?status=UC"
    secrets, signs = (KEYS[1],), True
    expired = (401, b'{"code": "ERROR", "message": "Specified signature is expired."}')

    def make_auth(self):
        return apis.CoupangAuth(*KEYS)


class TestNcloud(ProviderContract):
    url = "https://ncloud.apigw.ntruss.com/server/v2/getServerInstanceList?a=b"
    secrets, signs = (KEYS[1],), True
    expired = (401, b'{"error": {"errorCode": "200", "message": "Authentication Failed"}}')
    denied = (401, b'{"error": {"errorCode": "210", "message": "Permission Denied"}}')

    def make_auth(self):
        return apis.NcloudAuth(*KEYS)


class TestSearchAd(ProviderContract):
    url = "https://api.searchad.naver.com/ncc/campaigns"
    secrets, signs = KEYS, True
    expired = (403, b'{"status": 403, "type": "urn:naver:api:problem:invalid-timestamp"}')
    denied = (403, b'{"status": 403, "type": "urn:naver:api:problem:invalid-signature"}')

    def make_auth(self):
        return apis.SearchAdAuth(*KEYS, 1234567)


class TestUpbit(ProviderContract):
    url = "https://api.upbit.com/v1/orders?market=KRW-BTC"
    secrets, signs = (KEYS[1],), True
    denied = (401, b'{"error": {"name": "jwt_verification"}}')

    def make_auth(self):
        return apis.UpbitAuth(*KEYS)


class TestToss(ProviderContract):
    url = "https://api.tosspayments.com/v1/payments"
    secrets = ("test_sk_canary-5ecret-key",)
    denied = (401, b'{"code": "UNAUTHORIZED_KEY"}')

    def make_auth(self):
        return apis.TossAuth(*self.secrets)


class TestKIS(Tokens):
    url = "https://openapi.koreainvestment.com:9443/uapi/x"
    expired = (500, '{"rt_cd": "1", "msg_cd": "EGW00123", "msg1": "기간이 만료된 token 입니다."}'.encode())
    denied = (500, b'{"rt_cd": "1", "msg_cd": "EGW00201"}')

    def answer(self, token):
        end = self.ends("%Y-%m-%d %H:%M:%S")
        return {"access_token": token, "token_type": "Bearer", "access_token_token_expired": end}

    def make_auth(self):
        return apis.KISAuth(*KEYS, **self.settings)


class TestKiwoom(Tokens):
    url = "https://api.kiwoom.com/api/dostk/acnt"
    expired = (200, b'{"return_code": 3, "return_msg": "[8005:Token]"}')
    denied = (200, b'{"return_code": 3, "return_msg": "[8050:IP]"}')

    def answer(self, token):
        return {"token": token, "token_type": "bearer", "expires_dt": self.ends("%Y%m%d%H%M%S"), "return_code": 0}

    def make_auth(self):
        return apis.KiwoomAuth(*KEYS, **self.settings)


class TestCafe24(Tokens):
    url = "https://shop1.cafe24api.com/api/v2/admin/products"
    expired = (401, b'{"error": {"code": 401, "message": "access_token time expired. (invalid_token)"}}')

    def answer(self, token):
        end = self.ends("%Y-%m-%dT%H:%M:%S.000")
        return {"access_token": token, "refresh_token": token.replace("token", "refresh"), "expires_at": end}

    def make_auth(self):
        return self.make("shop1")

    def make_other(self):
        return self.make("shop2")

    def make(self, mall):
        auth = apis.Cafe24Auth(mall, "app", KEYS[1], **self.settings)
        auth.set_token(Token("canary-token-0", time.time() + 7200, time.time(), refresh_token="canary-refresh-0"))
        return auth


class TestKakao(Tokens):
    url = "https://kapi.kakao.com/v2/user/me"
    expired = (401, b'{"msg": "this access token does not exist", "code": -401}')
    denied = (403, b'{"msg": "insufficient scopes.", "code": -402}')

    def answer(self, token):
        return {"token_type": "bearer", "access_token": token, "expires_in": 21599}

    def make_auth(self):
        auth = OAuth2Auth("app", KEYS[1], **kakao.SETTINGS, user="u", **self.settings)
        auth.set_token(Token("canary-token-0", time.time() + 7200, time.time(), refresh_token="canary-refresh-0"))
        return auth
