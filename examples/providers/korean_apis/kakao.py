"""Kakao Login and Kakao REST API (카카오): `OAuth2Auth` as it is, with these settings.

    auth = OAuth2Auth(rest_api_key, client_secret, **kakao.SETTINGS, user="user-1", redirect_uri=…)

Sources: https://developers.kakao.com/docs/latest/ko/kakaologin/rest-api (endpoints, `refresh_token_expires_in`; a
refresh brings a new refresh token only when the old one has less than a month left),
https://developers.kakao.com/docs/latest/ko/rest-api/reference#error-code (401 with `code` -401:
the token is not valid).

- `client_secret` may be left out where the application has none; PKCE then proves the client.
- Kakao separates scopes by commas. Leave `scope` out: the consent items of the application count.

Unverified, since we could not call the API: how strictly Kakao reads the PKCE parameters that krauth always sends.
"""

from __future__ import annotations

SETTINGS = {
    "token_endpoint": "https://kauth.kakao.com/oauth/token",
    "authorization_endpoint": "https://kauth.kakao.com/oauth/authorize",
    "api_origins": "https://kapi.kakao.com",
}
