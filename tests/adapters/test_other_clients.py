"""`examples/other_clients`: pycurl and curl-cffi against the sandbox, websockets against a server of its own."""

import asyncio
import http
import importlib.util
import json
from pathlib import Path

import pytest

import krauth_httpx
import krauth_requests
from krauth import HTTPResponse

EXAMPLES = Path(__file__).parents[2] / "examples" / "other_clients"


def example(library):
    pytest.importorskip(library)
    spec = importlib.util.spec_from_file_location(f"with_{library}", EXAMPLES / f"with_{library}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_pycurl(auth, method, url, body=b""):
    return example("pycurl").send(auth, method, url, body)


def with_curl_cffi(auth, method, url, body=None):
    send = example("curl_cffi").send
    import curl_cffi

    with curl_cffi.Session() as session:
        answer = send(session, auth, method, url, body)
        return answer.status_code, answer.content


def with_curl_cffi_async(auth, method, url, body=None):
    send = example("curl_cffi").asend
    import curl_cffi

    async def main():
        async with curl_cffi.AsyncSession() as session:
            answer = await send(session, auth, method, url, body)
            return answer.status_code, answer.content

    return asyncio.run(main())


@pytest.mark.parametrize("send", [with_pycurl, with_curl_cffi, with_curl_cffi_async])
def test_libraries_over_libcurl(send, sandbox, store):
    """A revoked token costs one refresh and one repetition, body and all; another server gets no API key."""
    auth = krauth_requests.NaverAuth(
        sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url, store=store
    )
    url = f"{auth.base_url}/v1/echo"
    assert send(auth, "GET", url)[0] == 200
    sandbox.naver.revoke_access_tokens()
    status, body = send(auth, "POST", url, b"abc")
    assert (status, json.loads(body)["length"]) == (200, 3)
    assert sandbox.naver.token_requests == 2
    key = krauth_requests.MelomingAPIKey(sandbox.meloming_api_key, base_url=sandbox.meloming_url)
    assert send(key, "GET", f"{key.base_url}/v1/echo")[0] == 200
    send(key, "GET", url)
    assert "X-API-Key" not in sandbox.naver.requests[-1].headers


def test_websockets():
    """The handshake carries the token, is repeated once after a refusal, and follows no redirect."""
    connect = example("websockets").connect
    import websockets

    seen, tokens = [], iter(("a1", "a2"))

    def judge(connection, request):
        if request.path == "/away":
            answer = connection.respond(http.HTTPStatus.FOUND, "")
            answer.headers["Location"] = "ws://localhost:1/"
            return answer
        seen.append(request.headers["Authorization"])
        if seen[-1] == "Bearer a1":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, '{"code": "GW.AUTHN"}')
        return None

    async def greet(connection):
        await connection.send("hello")

    async def main():
        async with websockets.serve(greet, "127.0.0.1", 0, process_request=judge) as server:
            port = server.sockets[0].getsockname()[1]
            token = {"token_type": "Bearer", "expires_in": 10_800}
            auth = krauth_httpx.NaverAuth(
                "client",
                "$2a$04$abcdefghijklmnopqrstuu",
                base_url=f"http://127.0.0.1:{port}",
                token_transport=lambda _: HTTPResponse(
                    200, {}, json.dumps({**token, "access_token": next(tokens)}).encode()
                ),
            )
            async with await connect(auth, f"ws://127.0.0.1:{port}/v1/live") as connection:
                assert await connection.recv() == "hello"
            with pytest.raises(websockets.InvalidStatus, match="302"):
                await connect(auth, f"ws://127.0.0.1:{port}/away")

    asyncio.run(main())
    assert seen == ["Bearer a1", "Bearer a2"]
