"""What docs/many-sellers.md says of caches, with the real ones: no seller is given another's answer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

import pytest
import requests

import krauth_aiohttp
import krauth_httpx
import krauth_requests

ACCOUNT = "/v1/seller/account"


@pytest.fixture(autouse=True)
def fresh(krauth_reset):
    """Each test begins with nothing known."""


@pytest.fixture
def sellers(sandbox):
    """Give the auth objects of two sellers, each twice, of an adapter's package."""

    def sellers(package):
        naver = package.NaverAuth(sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url)
        return [naver, naver.for_account(sandbox.naver_account_id)] * 2

    return sellers


def are_apart(found):
    """Whether each seller was given its own answer, both times."""
    first, second, again, second_again = found
    return first != second and (first, second) == (again, second_again)


def calls(sandbox):
    """How many calls reached the API."""
    return len([one for one in sandbox.naver.requests if one.path.endswith(ACCOUNT)])


def key_of(request):
    """The key that the page shows: of the token and the request."""
    words = (request.headers.get("Authorization", ""), request.method, str(request.url))
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def ask_requests(session, sandbox, auths):
    with session:
        return [session.get(sandbox.naver_url + ACCOUNT, auth=a, timeout=10).json()["accountUid"] for a in auths]


def requests_cache_session(**settings):
    return pytest.importorskip("requests_cache").CachedSession(backend="memory", **settings)


def key_function(request, **settings):
    return key_of(request)


@pytest.mark.parametrize("settings", [{}, {"match_headers": ["Authorization"]}], ids=["as it is", "match_headers"])
def test_requests_cache_mixes_sellers_up(settings, sandbox, sellers):
    """The warning is still needed; requests-cache leaves `Authorization` out of its key, also where it is named."""
    session = requests_cache_session(**settings)
    assert not are_apart(ask_requests(session, sandbox, sellers(krauth_requests)))


def test_requests_cache_with_a_key_function(sandbox, sellers):
    """Each seller is given its own answer, and the second time from the cache."""
    session = requests_cache_session(key_fn=key_function)
    assert are_apart(ask_requests(session, sandbox, sellers(krauth_requests)))
    assert calls(sandbox) == 2


def cachecontrol_session(by_token):
    """CacheControl keeps what an answer lets it keep, so one is told here that this answer may be kept."""
    cachecontrol = pytest.importorskip("cachecontrol")

    heuristics = pytest.importorskip("cachecontrol.heuristics")

    class ByToken(heuristics.BaseHeuristic):
        def update_headers(self, response):
            return {"Cache-Control": "max-age=60", **({"Vary": "Authorization"} if by_token else {})}

    return cachecontrol.CacheControl(requests.Session(), heuristic=ByToken())


def test_cachecontrol(sandbox, sellers):
    """It mixes sellers up, and with `Vary: Authorization` on each answer it does not."""
    assert not are_apart(ask_requests(cachecontrol_session(False), sandbox, sellers(krauth_requests)))
    assert are_apart(ask_requests(cachecontrol_session(True), sandbox, sellers(krauth_requests)))


def test_hishel(sandbox, sellers, tmp_path):
    """It mixes sellers up, and with a key of the token and the request it does not."""
    hishel = pytest.importorskip("hishel")
    hishel_httpx = pytest.importorskip("hishel.httpx")
    httpx = pytest.importorskip("httpx")

    class ByToken(hishel_httpx.CacheTransport):
        def handle_request(self, request):
            request.extensions["caching"] = {**request.extensions.get("caching", {}), "key": key_of(request)}
            return super().handle_request(request)

    def ask(transport, name):
        with contextlib.closing(hishel.SqliteStorage(database_path=tmp_path / name)) as storage:
            with httpx.Client(transport=transport(httpx.HTTPTransport(), storage=storage)) as client:
                url = sandbox.naver_url + ACCOUNT
                return [client.get(url, auth=auth).json()["accountUid"] for auth in sellers(krauth_httpx)]

    assert not are_apart(ask(hishel_httpx.CacheTransport, "one.db"))
    before = calls(sandbox)
    assert are_apart(ask(ByToken, "two.db"))
    assert calls(sandbox) == before + 2


def test_aiohttp_client_cache(sandbox, sellers, tmp_path):
    """It makes its key before the token is known; sessions with caches of their own keep sellers apart."""
    cache = pytest.importorskip("aiohttp_client_cache")
    url = sandbox.naver_url + ACCOUNT

    async def ask(cache_name):
        found = []
        for number, auth in enumerate(sellers(krauth_aiohttp)):
            backend = cache.SQLiteBackend(str(tmp_path / cache_name(number % 2)))
            async with cache.CachedSession(cache=backend, middlewares=(auth,)) as session:
                async with session.get(url) as response:
                    found.append((await response.json())["accountUid"])
        return found

    assert not are_apart(asyncio.run(ask(lambda seller: "one")))
    assert are_apart(asyncio.run(ask(lambda seller: f"seller-{seller}")))
