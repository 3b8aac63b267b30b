"""krauth with the tools that users test with: mocks, recorders, test servers, and apps that are called in memory."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
import requests

import krauth_aiohttp
import krauth_httpx
import krauth_httpx2
import krauth_requests
from krauth import ConfigurationError, testing

SECRET = "$2a$04$abcdefghijklmnopqrstuu"
LIVE = "https://api.commerce.naver.com/external"
TOKENS, ACCOUNT = "/v1/oauth2/token", "/v1/seller/account"
TOKEN = {"access_token": "of-the-tool", "token_type": "Bearer", "expires_in": 10_800}
BEARER = "Bearer of-the-tool"


@pytest.fixture(autouse=True)
def fresh(krauth_reset):
    """Each test begins with nothing known."""


def test_pytest_httpx_covers_the_token_request_too(httpx_mock):
    """httpx's transports are mocked, for our own client as well."""
    httpx_mock.add_response(url=LIVE + TOKENS, json=TOKEN)
    httpx_mock.add_response(url=LIVE + ACCOUNT, match_headers={"Authorization": BEARER})
    with httpx.Client(auth=krauth_httpx.NaverAuth("client", SECRET)) as client:
        assert client.get(LIVE + ACCOUNT).status_code == 200


@pytest.mark.parametrize("library", ["requests", "httpx"])
def test_pook_covers_the_token_request_too(library):
    """pook answers both requests; the call carries the token."""
    pook = pytest.importorskip("pook")
    with pook.use():
        pook.post(LIVE + TOKENS).reply(200).json(TOKEN)
        pook.get(LIVE + ACCOUNT).header("Authorization", BEARER).reply(200).json({"accountUid": "ncp_1"})
        if library == "requests":
            answer = requests.get(LIVE + ACCOUNT, auth=krauth_requests.NaverAuth("client", SECRET), timeout=10)
        else:
            answer = httpx.get(LIVE + ACCOUNT, auth=krauth_httpx.NaverAuth("client", SECRET))
        assert answer.json() == {"accountUid": "ncp_1"}
        assert pook.isdone()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of betamax, from Python 3.12 on
def test_betamax_records_what_the_recorded_session_sends(sandbox, tmp_path):
    """With the session as token transport, a cassette holds the token request as well, and plays both."""
    betamax = pytest.importorskip("betamax")

    def play(mode):
        testing.reset()
        session = requests.Session()
        session.auth = krauth_requests.NaverAuth(
            sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url, token_transport=session
        )
        with betamax.Betamax(session, cassette_library_dir=str(tmp_path)).use_cassette("account", record=mode):
            return session.get(sandbox.naver_url + ACCOUNT, timeout=10).json()["accountUid"]

    first = play("once")
    assert sandbox.naver.token_requests == 1
    sandbox.naver.fail_token(503, times=9)
    assert play("none") == first
    recorded = json.loads(next(tmp_path.glob("*.json")).read_text())["http_interactions"]
    assert [one["request"]["uri"].removeprefix(sandbox.naver_url) for one in recorded] == [TOKENS, ACCOUNT]


def test_the_test_server_of_aiohttp():
    """aiohttp's `TestServer` and `TestClient`: the middleware is given to the client, as to a session."""
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    async def token(request):
        return web.json_response(TOKEN)

    async def account(request):
        return web.json_response({"sent": request.headers["Authorization"]})

    async def main():
        app = web.Application()
        app.router.add_post(TOKENS, token)
        app.router.add_get(ACCOUNT, account)
        async with TestServer(app, host="127.0.0.1") as server:
            auth = krauth_aiohttp.NaverAuth("client", SECRET, base_url=str(server.make_url("")).rstrip("/"))
            async with TestClient(server, middlewares=(auth,)) as client, client.get(ACCOUNT) as response:
                return await response.json()

    assert asyncio.run(main()) == {"sent": BEARER}


def wsgi(environ, start_response):
    """Both endpoints, as a WSGI app."""
    is_token = environ["PATH_INFO"].endswith(TOKENS)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(TOKEN if is_token else {"sent": environ["HTTP_AUTHORIZATION"]}).encode()]


async def asgi(scope, receive, send):
    """Both endpoints, as an ASGI app."""
    is_token = scope["path"].endswith(TOKENS)
    sent = dict(scope["headers"]).get(b"authorization", b"").decode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(TOKEN if is_token else {"sent": sent}).encode()})


@pytest.mark.parametrize("adapter", [krauth_httpx, krauth_httpx2])
def test_an_app_that_is_called_in_memory(adapter):
    """WSGITransport and ASGITransport: the client is the token transport, so that both requests go to the app."""
    library = adapter.AdapterAuth.library

    with library.Client(transport=library.WSGITransport(app=wsgi)) as client:
        client.auth = adapter.NaverAuth("client", SECRET, token_transport=client)
        assert client.get(LIVE + ACCOUNT).json() == {"sent": BEARER}
    testing.reset()

    async def main():
        async with library.AsyncClient(transport=library.ASGITransport(app=asgi)) as client:
            client.auth = adapter.NaverAuth("client", SECRET, token_transport=client)
            return (await client.get(LIVE + ACCOUNT)).json()

    assert asyncio.run(main()) == {"sent": BEARER}


def test_the_test_client_of_starlette():
    """Starlette's and FastAPI's `TestClient` is a client of httpx2; plain http is for this machine alone."""
    client_of = pytest.importorskip("starlette.testclient").TestClient
    client = client_of(asgi, base_url="https://testserver")
    client.auth = krauth_httpx2.NaverAuth("client", SECRET, base_url="https://testserver", token_transport=client)
    assert client.get(ACCOUNT).json() == {"sent": BEARER}
    client.auth = krauth_httpx.NaverAuth("client", SECRET, base_url="https://testserver")
    said = (
        "krauth_httpx was handed to a client of httpx2, which some programs use .*: take NaverAuth from krauth_httpx2"
    )
    with pytest.raises(ConfigurationError, match=said):
        client.get(ACCOUNT)
