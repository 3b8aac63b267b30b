"""`krauth.testing.vcr_filters()` with the real vcrpy: no secret is in a cassette, and the cassette can be replayed."""

from __future__ import annotations

import asyncio
import gzip
import json
import re

import pytest
import requests

import krauth_requests
from krauth import testing

vcr = pytest.importorskip("vcr")


@pytest.fixture(autouse=True)
def fresh(krauth_reset):
    """Each test begins with nothing known."""


def text_of(cassette):
    return cassette.read_text(encoding="utf-8")


@pytest.mark.parametrize("lends", [False, True], ids=["own session", "the user's session"])
def test_a_naver_cassette_holds_no_secret_and_replays_a_refused_token(lends, sandbox, tmp_path):
    """Two token requests around a 401 are recorded without tokens or signatures, and replayed in the same order."""
    cassette = tmp_path / "naver.yaml"
    url = f"{sandbox.naver_url}/v1/seller/account"
    tokens = []

    def play(revoke):
        testing.reset()
        with requests.Session() as session:
            auth = krauth_requests.NaverAuth(
                sandbox.naver_client_id,
                sandbox.naver_client_secret,
                base_url=sandbox.naver_url,
                token_transport=session if lends else None,
            )
            statuses = [session.get(url, auth=auth, timeout=10).status_code]
            tokens.append(auth.token().access_token)
            revoke()
            statuses.append(session.get(url, auth=auth, timeout=10).status_code)
            tokens.append(auth.token().access_token)
        return statuses

    with vcr.use_cassette(str(cassette), **testing.vcr_filters()):
        assert play(sandbox.revoke_all) == [200, 200]
    asked = sandbox.naver.token_requests
    assert asked == 2
    text = text_of(cassette)
    assert text.count("oauth2/token") == 2
    for secret in (*tokens, sandbox.naver_client_secret):
        assert secret not in text
    assert "client_secret_sign=REDACTED&" in text + "&"
    with vcr.use_cassette(str(cassette), record_mode="none", **testing.vcr_filters()) as played:
        assert play(lambda: None) == [200, 200]
        assert played.all_played
    assert sandbox.naver.token_requests == asked


def meloming_secrets(sandbox):
    return [sandbox.meloming_client_secret, sandbox.meloming_api_key]


def use_meloming_sync(sandbox, tokens):
    auth = krauth_requests.MelomingOAuth(
        sandbox.meloming_client_id,
        sandbox.meloming_client_secret,
        base_url=sandbox.meloming_url,
        api_key=sandbox.meloming_api_key,
    )
    status = requests.get(f"{sandbox.meloming_url}/v1/songs", auth=auth, timeout=10).status_code
    tokens.append(auth.token().access_token)
    return status


def use_meloming_httpx(sandbox, tokens):
    import httpx

    import krauth_httpx

    async def main():
        auth = krauth_httpx.MelomingOAuth(
            sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url
        )
        async with httpx.AsyncClient(auth=auth) as client:
            response = await client.get(f"{sandbox.meloming_url}/v1/songs")
        tokens.append((await auth.atoken()).access_token)
        return response.status_code

    return asyncio.run(main())


def use_meloming_aiohttp(sandbox, tokens):
    import aiohttp

    import krauth_aiohttp

    async def main():
        auth = krauth_aiohttp.MelomingOAuth(
            sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url
        )
        async with (
            aiohttp.ClientSession(middlewares=(auth,)) as session,
            session.get(f"{sandbox.meloming_url}/v1/songs") as response,
        ):
            status = response.status
        tokens.append((await auth.atoken()).access_token)
        return status

    return asyncio.run(main())


@pytest.mark.parametrize("use", [use_meloming_sync, use_meloming_httpx, use_meloming_aiohttp])
def test_a_meloming_cassette_holds_no_secret(use, sandbox, tmp_path):
    """With requests, httpx and aiohttp neither the client secret, nor the API key, nor a token is recorded."""
    cassette = tmp_path / "meloming.yaml"
    tokens = []
    with vcr.use_cassette(str(cassette), **testing.vcr_filters()):
        status = use(sandbox, tokens)
    text = text_of(cassette)
    assert "/oauth/token" in text
    for secret in (*tokens, *meloming_secrets(sandbox)):
        assert secret not in text
    testing.reset()
    with vcr.use_cassette(str(cassette), record_mode="none", **testing.vcr_filters()) as played:
        assert use(sandbox, tokens) == status
        assert played.all_played
    assert tokens[1].startswith("REDACTED-")


def test_a_users_refresh_token_is_hidden_where_it_is_spent_and_where_it_comes(sandbox, tmp_path):
    """A request with grant_type=refresh_token and its answer are recorded without either refresh token."""
    cassette = tmp_path / "user.yaml"
    client = {"client_id": sandbox.meloming_client_id, "client_secret": sandbox.meloming_client_secret}
    auth = krauth_requests.MelomingOAuth(
        **client, base_url=sandbox.meloming_url, user="melo", redirect_uri=sandbox.meloming_redirect_uris[0]
    )
    with vcr.use_cassette(str(cassette), **testing.vcr_filters()):
        request = auth.authorization_request()
        callback = sandbox.meloming.approve(request.url)
        first = auth.authorize(callback, request)
        second = auth.refresh()
    text = text_of(cassette)
    assert "refresh_token=REDACTED" in text
    code = re.search(r"[?&]code=([^&]+)", callback)[1]
    for secret in (
        *(first.access_token, first.refresh_token, second.access_token, second.refresh_token),
        *(code, request.code_verifier, sandbox.meloming_client_secret),
    ):
        assert secret not in text


def answer(body, **headers):
    return {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": body}}


def test_answers_of_other_shapes():
    """Nested members, a form, a redirect to a callback; error codes and other texts stay as they are."""
    hide = testing.vcr_filters()["before_record_response"]

    def after(body, **headers):
        return hide(answer(body, **headers))

    nested = after(b'{"data": [{"id_token": "s3cret", "n": 1}]}', **{"Content-Length": ["42"]})
    assert b"s3cret" not in nested["body"]["string"]
    assert nested["headers"]["Content-Length"] == [str(len(nested["body"]["string"]))]
    assert json.loads(nested["body"]["string"])["data"][0]["n"] == 1
    assert b"s3cret" not in after(b"access_token=s3cret&scope=a")["body"]["string"]
    moved = after(b"", location=["https://app.example/cb?state=x&code=s3cret#y"])
    assert moved["headers"]["location"] == ["https://app.example/cb?state=x&code=REDACTED#y"]
    for unchanged in (b'{"code": "GW.AUTHN", "message": "no"}', b"\xff\x00 access_token=", b"<p>token</p>", b"[1]"):
        assert after(unchanged)["body"]["string"] == unchanged
    one, two, other = (after(json.dumps({"access_token": t}).encode())["body"]["string"] for t in ("a", "a", "b"))
    assert one == two != other


def test_a_secret_deep_in_a_json_body_is_hidden(sandbox, tmp_path):
    """A request's JSON is recorded without the secrets in it, in lists and in GraphQL's variables too."""
    cassette = tmp_path / "json.yaml"
    sent = {"query": "q", "variables": {"list": [{"client_secret": "s3cret", "n": 1}], "input": {"token": "t0ken"}}}
    with vcr.use_cassette(str(cassette), **testing.vcr_filters()):
        requests.post(f"{sandbox.meloming_url}/v1/echo", json=sent, timeout=10)
    text = text_of(cassette)
    assert "s3cret" not in text
    assert "t0ken" not in text
    assert '"query": "q"' in text


def test_a_compressed_answer_is_hidden_too():
    """vcrpy decodes an answer before the filter sees it."""
    record = vcr.VCR(**testing.vcr_filters()).get_merged_config()["before_record_response"]
    body = gzip.compress(b'{"access_token": "s3cret"}')
    kept = record(answer(body, **{"content-encoding": ["gzip"], "content-length": [str(len(body))]}))
    assert b"REDACTED" in kept["body"]["string"]
