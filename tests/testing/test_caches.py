"""What docs/many-sellers.md says of caches, with the real requests-cache: no seller is given another's answer."""

from __future__ import annotations

import hashlib

import pytest

import krauth_requests

requests_cache = pytest.importorskip("requests_cache")


def uids(sandbox, **settings):
    """Ask for two sellers' accounts through one cached session, twice each."""
    naver = krauth_requests.NaverAuth(sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url)
    url = f"{sandbox.naver_url}/v1/seller/account"
    found = []
    with requests_cache.CachedSession(backend="memory", **settings) as session:
        for account in (None, sandbox.naver_account_id) * 2:
            auth = naver if account is None else naver.for_account(account)
            found.append(session.get(url, auth=auth, timeout=10).json()["accountUid"])
    return found


def test_one_cache_for_all_mixes_sellers_up(sandbox, krauth_reset):
    """The warning is still needed."""
    assert len(set(uids(sandbox))) == 1


def by_seller(request, **kwargs):
    token = request.headers.get("Authorization", "")
    return hashlib.sha256(f"{token} {requests_cache.create_key(request, **kwargs)}".encode()).hexdigest()


def test_a_key_with_the_authorization_keeps_sellers_apart(sandbox, krauth_reset):
    """Each seller is given its own answer, from the cache as well."""
    first, second, again, second_again = uids(sandbox, key_fn=by_seller)
    assert (first, second) == (again, second_again)
    assert first != second


def test_match_headers_does_not_keep_sellers_apart(sandbox, krauth_reset):
    """requests-cache leaves `Authorization` out of its key, also where it is named: the page says so."""
    assert len(set(uids(sandbox, match_headers=["Authorization"]))) == 1
