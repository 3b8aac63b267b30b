"""Kakao Login and Kakao REST API (카카오): `OAuth2Auth` as it is, with these settings.

    auth = OAuth2Auth(rest_api_key, client_secret, **kakao.SETTINGS, user="user-1", redirect_uri=…)

Confirmed by the vendor:

- The endpoints: https://developers.kakao.com/docs/latest/ko/kakaologin/rest-api. A refresh brings a new refresh token,
  with `refresh_token_expires_in`, only when the old one has less than a month left (the same page, as users copied it).
- 401 with `code` -401: the token has expired or does not exist, or the IP address is not registered:
  https://devtalk.kakao.com/t/topic/134883.
- 403 with `code` -402: a scope is missing: https://developers.kakao.com/docs/latest/en/kakaologin/trouble-shooting.

A token of a REST API key is good for 6 hours in the answers that users recorded (`expires_in` 21599).

- `client_secret` may be left out where the application has none; PKCE then proves the client.
- Kakao separates scopes by commas. Leave `scope` out: the consent items of the application count.

Unverified, since we could not call the API: how strictly the REST API reads the PKCE parameters that krauth always
sends. The vendor's SDK for Android has a `codeVerifier`, so that the server knows PKCE.
"""

from __future__ import annotations

SETTINGS = {
    "token_endpoint": "https://kauth.kakao.com/oauth/token",
    "authorization_endpoint": "https://kauth.kakao.com/oauth/authorize",
    "api_origins": "https://kapi.kakao.com",
}
