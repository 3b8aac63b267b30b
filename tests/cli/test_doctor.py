"""`krauth doctor` against the emulator: everything as documented, and each difference switched on."""

import json

import pytest

from krauth_cli.doctor._phrases import PHRASES

VERDICTS = {"ok", "note", "differs", "failed"}


def examine(run, env, provider, *arguments, **environment):
    """Run it; return the verdict of each fact, the exit code and the texts."""
    result = run("doctor", provider, "--json", *arguments, **{**env, **environment})
    assert result.stderr == ""
    facts = json.loads(result.stdout)
    assert {fact["verdict"] for fact in facts} <= VERDICTS
    names = [fact["fact"] for fact in facts]
    assert len(set(names)) == len(names)
    return {fact["fact"]: fact["verdict"] for fact in facts}, result.exit_code, result.stdout


def odd(verdicts):
    return {name: verdict for name, verdict in verdicts.items() if verdict not in {"ok", "note"}}


@pytest.mark.parametrize("provider", ["naver", "meloming"])
def test_as_documented(run, env, krauth_sandbox, provider):
    """Exit code 0 after one token request and one read; no secret is printed, and nothing is left in a store."""
    verdicts, code, text = examine(run, env, provider, KRAUTH_STORE="sqlite:////nowhere/tokens.db")
    assert (odd(verdicts), code) == ({}, 0)
    emulator = getattr(krauth_sandbox, provider)
    assert (emulator.token_requests, emulator.api_requests) == (1, 1)
    assert [record.method for record in emulator.requests] == ["POST", "GET"]
    (token,) = emulator.tokens()
    assert token.value not in text
    assert emulator.client_secret not in text
    assert {"clock", "token", "members", "expires_in", "rate", "read"} <= set(verdicts)
    if provider == "naver":
        assert {"trace_id", "ip", "quota", "same_token"} <= set(verdicts)


@pytest.mark.parametrize("stack", ["requests", "httpx", "httpx2", "aiohttp"])
def test_any_library_sends(run, env, krauth_sandbox, monkeypatch, stack):
    """Whichever library is installed, the doctor asks with it."""
    from krauth_cli.doctor import _command

    monkeypatch.setattr(_command, "_STACKS", (stack,))
    for provider in ("naver", "meloming"):
        verdicts, code, _ = examine(run, env, provider)
        assert (odd(verdicts), code) == ({}, 0)
        assert getattr(krauth_sandbox, provider).token_requests == 1


@pytest.mark.parametrize("shape", ["old", "new"])
def test_both_shapes_of_trace_ids_are_documented(run, env, krauth_sandbox, shape):
    """Neither counts as a difference."""
    krauth_sandbox.naver.trace_ids = shape
    verdicts, code, _ = examine(run, env, "naver")
    assert (odd(verdicts), code) == ({}, 0)


def headers(emulator, **values):
    """Let the read answer with other headers."""
    emulator.fail_api(200, body={"accountUid": "x"}, headers={n.replace("_", "-"): v for n, v in values.items()})


BURST = {"GNCP_GW_RateLimit_Replenish_Rate": "10", "GNCP_GW_RateLimit_Burst_Capacity": "10"}
TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 10_800}
NAVER = {
    "the clock is ahead": (lambda e: setattr(e, "clock_offset", -30), {"clock": "differs", "token": "failed"}, 1),
    "the clock is behind": (lambda e: setattr(e, "clock_offset", 60), {"clock": "differs"}, 3),
    "no trace id": (lambda e: setattr(e, "trace_ids", "none"), {"trace_id": "differs"}, 3),
    "a longer life": (lambda e: setattr(e, "lifetime", 20_000), {"expires_in": "differs"}, 3),
    "a shorter life": (lambda e: setattr(e, "lifetime", 1_700), {"expires_in": "differs"}, 3),
    "another 2xx": (lambda e: setattr(e, "token_status", 201), {"token": "differs"}, 3),
    "a quota": (lambda e: setattr(e, "quota_period", "SECONDS"), {}, 0),
    "the penalty": (lambda e: setattr(e, "malformed_elsewhere", True), {"quota": "failed", "read": "failed"}, 1),
    "the IP address": (lambda e: setattr(e, "ip_allowed", False), {"ip": "failed", "token": "failed"}, 1),
    "an agency": (lambda e: setattr(e, "application_kind", "agency"), {"ip": "failed", "token": "failed"}, 1),
    "the wrong kind": (lambda e: setattr(e, "application_kind", "data_solution"), {"read": "failed"}, 1),
    "no API group": (lambda e: setattr(e, "api_group", False), {"read": "failed"}, 1),
    "a lapsed application": (lambda e: setattr(e, "lapsed", True), {"token": "failed"}, 1),
    "a reissued secret": (lambda e: e.reissue_secret(), {"token": "failed"}, 1),
    "an outage": (lambda e: e.fail_token(503), {"token": "failed"}, 1),
    "another message": (
        lambda e: e.fail_api(503, body={"code": "GW.BLOCK.01", "message": "x"}),
        {"error": "differs", "read": "failed"},
        1,
    ),
    "an unknown code": (
        lambda e: e.fail_api(415, body={"code": "GW.UNSUPPORTED_MEDIA_TYPE", "message": "x"}),
        {"error": "differs", "read": "failed"},
        1,
    ),
    "half the burst": (lambda e: headers(e, **BURST), {"rate": "differs"}, 3),
    "a rate that is no number": (
        lambda e: headers(e, GNCP_GW_RateLimit_Replenish_Rate="many"),
        {"rate": "differs"},
        3,
    ),
    "an unknown quota": (lambda e: headers(e, GNCP_GW_Quota_Period="DAYS"), {"quota": "differs"}, 3),
    "another trace id": (
        lambda e: e.fail_token(200, body=TOKEN, headers={"GNCP-GW-Trace-ID": "x\x1b[2J"[:1] * 9}),
        {"trace_id": "differs", "read": "failed"},
        1,
    ),
    "a member more": (
        lambda e: e.fail_token(200, body={**TOKEN, "refresh_token": "r"}),
        {"members": "differs", "read": "failed"},
        1,
    ),
    "a lifetime in text": (
        lambda e: e.fail_token(200, body={**TOKEN, "expires_in": "10800"}),
        {"expires_in": "differs", "read": "failed"},
        1,
    ),
    "no read but a page": (lambda e: e.fail_api(200, body="<html>"), {"read": "differs"}, 3),
}


@pytest.mark.parametrize("what", NAVER)
def test_naver_differs(run, env, krauth_sandbox, what):
    """Each difference is told in its own line, and in the exit code; the others stay as they are."""
    switch, expected, code = NAVER[what]
    switch(krauth_sandbox.naver)
    verdicts, exit_code, _ = examine(run, env, "naver")
    assert (odd(verdicts), exit_code) == (expected, code)
    assert krauth_sandbox.naver.token_requests == 1


@pytest.mark.parametrize("same", [True, False])
def test_the_same_token_again(run, env, krauth_sandbox, same):
    """--again makes a second token request and compares; without it, a remaining lifetime tells as much."""
    krauth_sandbox.naver.same_token = same
    verdicts, code, _ = examine(run, env, "naver", "--again")
    assert (verdicts["same_token"], code) == (("ok", 0) if same else ("differs", 3))
    assert krauth_sandbox.naver.token_requests == 2
    krauth_sandbox.advance(5_000)
    verdicts, _, text = examine(run, env, "naver")
    assert verdicts["same_token"] == ("ok" if same else "note")
    assert ("issued before" in text) == same


MELOMING = {
    "the clock": (lambda e: setattr(e, "clock_offset", -30), {"clock": "differs"}, 3),
    "a longer life": (lambda e: setattr(e, "lifetime", 7_200), {"expires_in": "differs"}, 3),
    "a plan that is not known": (lambda e: setattr(e, "rate_limit", 61), {"rate": "differs"}, 3),
    "not active": (lambda e: setattr(e, "application_active", False), {"token": "failed"}, 1),
    "a reissued secret": (lambda e: e.reissue_secret(), {"token": "failed"}, 1),
    "Invalid redirect_uri": (lambda e: e.fail_token(401, code="Invalid redirect_uri"), {"token": "failed"}, 1),
    "refused at the API": (lambda e: e.fail_api(401), {"read": "failed"}, 1),
    "a refresh token": (
        lambda e: e.fail_token(
            200,
            body={**TOKEN, "expires_in": 3_600, "scope": "read", "refresh_token": "r"},
            headers={"Cache-Control": "private"},
        ),
        {"members": "differs", "caching": "differs", "read": "failed"},
        1,
    ),
}


@pytest.mark.parametrize("what", MELOMING)
def test_meloming_differs(run, env, krauth_sandbox, what):
    """As for Naver."""
    switch, expected, code = MELOMING[what]
    switch(krauth_sandbox.meloming)
    verdicts, exit_code, _ = examine(run, env, "meloming")
    assert (odd(verdicts), exit_code) == (expected, code)
    assert krauth_sandbox.meloming.token_requests == 1


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"])
def test_a_date_that_is_none(run, env, krauth_sandbox, date):
    """A Date header that can't be read, or can't be right, is a difference and never an error."""
    body = {**TOKEN, "expires_in": 3_600, "scope": "read"}
    krauth_sandbox.meloming.fail_token(200, body=body, headers={"Date": date, "Cache-Control": "no-store"})
    verdicts, _, _ = examine(run, env, "meloming")
    assert verdicts["clock"] == "differs"


@pytest.mark.parametrize("body", ["", "null", "[]", '"x"', "{" * 200_000, '{"access_token": {"a": 1}}', "<html>"])
def test_answers_that_are_none(run, env, krauth_sandbox, body):
    """The library says what is wrong with the answer; there is no traceback."""
    for emulator, provider in ((krauth_sandbox.naver, "naver"), (krauth_sandbox.meloming, "meloming")):
        emulator.fail_token(200, body=body)
        verdicts, code, _ = examine(run, env, provider)
        assert (verdicts["token"] in {"failed", "differs"}, code) == (True, 1)


def test_what_the_server_says_is_no_way_into_the_terminal(run, env, krauth_sandbox):
    """Escapes and bidirectional marks are not printed."""
    evil = "\x1b[2J\u202egnihtemos"
    krauth_sandbox.naver.fail_api(503, body={"code": f"GW.{evil}", "message": evil})
    krauth_sandbox.meloming.fail_token(200, body={**TOKEN, evil: 1, "token_type": evil})
    for provider in ("naver", "meloming"):
        result = run("doctor", provider, **env)
        assert "\x1b" not in result.stdout
        assert "\u202e" not in result.stdout


@pytest.mark.parametrize(("locale", "words"), [("en_US.UTF-8", "as documented"), ("ko_KR.UTF-8", "문서와 같습니다")])
def test_output(run, env, locale, words):
    """A line for each fact and a sentence at the end, in the language of the locale."""
    result = run("doctor", "naver", **env, LANG=locale)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) > 8
    assert words in lines[-1]


def test_what_can_not_be_asked(run, env, krauth_sandbox):
    """Exit code 2 for a setting, 1 where no one answers; one line on stderr."""
    for arguments, change in ((["naver"], {"NAVER_COMMERCE_CLIENT_ID": ""}), (["naver", "--path", "x y"], {})):
        result = run("doctor", *arguments, **{**env, **change})
        assert (result.exit_code, result.stdout) == (2, "")
    krauth_sandbox.stop()
    result = run("doctor", "naver", **env)
    assert result.exit_code == 1
    assert result.stderr.startswith("krauth: ")


def test_a_path_of_ones_own(run, env, krauth_sandbox):
    """--path: for an application that may not read the default."""
    verdicts, _, _ = examine(run, env, "meloming", "--path", "/v1/channels/404")
    assert verdicts["read"] == "failed"
    assert krauth_sandbox.meloming.requests[-1].path == "/v1/channels/404"


def test_both_languages_fill_the_same_gaps():
    """Each phrase is there in both, with the same gaps."""
    import re

    for english, korean in PHRASES.values():
        assert english
        assert korean
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", korean)), english
