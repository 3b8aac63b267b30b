"""RFC 6749 token requests and responses, as `prepare_…` / `process_…` pairs used by `naver` and `oauth2`."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from .._values.checks import printable, read_json_object
from .._values.clock import parse_http_date, parse_retry_after
from .._values.exceptions import (
    InvalidClientError,
    InvalidGrantError,
    InvalidTokenResponse,
    RateLimitError,
    TokenEndpointError,
    TokenServerError,
)
from .credentials import ErrorTable, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.secret import Secret
    from .._values.token import Token

#: Ten years: what a longer `expires_in` is read as. Renewing sooner than needed harms nobody.
MAX_LIFETIME = 10 * 365 * 86400.0

#: RFC 6749 §5.2.
RFC6749_ERRORS: ErrorTable = {
    (None, "invalid_client"): Rule("check client_id and client_secret", error=InvalidClientError),
    (None, "unauthorized_client"): Rule(
        "the server does not let this client use this grant; check its registration", error=InvalidClientError
    ),
    (None, "invalid_grant"): Rule(
        "the authorization code or refresh token is spent, expired or revoked; authorize again",
        error=InvalidGrantError,
    ),
    (None, "invalid_request"): Rule("the server found the token request malformed; check scope and redirect_uri"),
    (None, "invalid_scope"): Rule("the client may not ask for this scope; check scope=…"),
    (None, "unsupported_grant_type"): Rule("the server does not offer this grant; check the kind of client"),
}


def prepare_form_request(
    endpoint: str, fields: Mapping[str, str | None], headers: Mapping[str, str] | None = None
) -> HTTPRequest:
    """Return a POST with a form body. Fields that are `None` are left out; nothing ever goes into the URL."""
    from .._values.messages import HTTPRequest

    body = urlencode({name: value for name, value in fields.items() if value is not None}).encode("ascii")
    return HTTPRequest(
        "POST",
        endpoint,
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            **(headers or {}),
        },
        body,
    )


def prepare_json_request(endpoint: str, fields: Mapping[str, str | None]) -> HTTPRequest:
    """Return a POST with a JSON body. Fields that are `None` are left out."""
    from .._values.messages import HTTPRequest

    body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
    return HTTPRequest("POST", endpoint, {"Content-Type": "application/json", "Accept": "application/json"}, body)


def authenticate_client(
    client_auth: str, client_id: str, client_secret: Secret | None
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the form fields and headers that authenticate a client (RFC 6749 §2.3.1)."""
    if client_auth == "client_secret_basic" and client_secret is not None:
        # "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm […], and
        # the encoded value is used as the username; the client password is encoded using the same algorithm"
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
        return {}, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    if client_auth == "client_secret_post" and client_secret is not None:
        return {"client_id": client_id, "client_secret": client_secret.reveal()}, {}
    return {"client_id": client_id}, {}


def process_token_response(
    response: HTTPResponse,
    now: float,
    *,
    errors: ErrorTable,
    previous: Token | None = None,
    secrets: Sequence[Secret] = (),
) -> Token:
    """Return the token in a response (RFC 6749 §5.1), or raise what it means (§5.2).

    Args:
        response: What the token endpoint answered.
        now: When the request was sent, seconds since the epoch.
        errors: The provider's table, asked before RFC 6749's own.
        previous: The token whose refresh token stays in force when the response brings none (§6).
        secrets: What the request held and no error may show, should the server repeat it.

    Raises:
        InvalidTokenResponse: 2xx or 3xx, but no token that can be used.
        TokenEndpointError: Any other status.
    """
    if response.status >= 400:
        raise refusal(response, now, errors, secrets=secrets)
    if 300 <= response.status < 400:
        raise _invalid(
            response,
            "answered with a redirect, which is not followed: the request carries the client's secret;"
            " check base_url (http instead of https? a wrong host or path?)",
        )
    media_type = (response.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise _invalid(
            response, f"answered with {printable(media_type, 60)} instead of JSON; check base_url and proxies"
        )
    data = read_json_object(response.body)
    if response.status != 200 or data is None:
        what = "an empty body" if not response.body else "something that is not a JSON object"
        raise _invalid(response, f"answered {response.status} with {what}; check base_url and proxies")
    if "access_token" not in data and "error" in data:
        raise refusal(response, now, errors, secrets=secrets)  # seen in the wild: errors under status 200
    access_token = data.get("access_token")
    # RFC 6750 §2.1, b64token, read generously: visible ASCII, or it could not stand in a header field.
    if not isinstance(access_token, str) or not access_token or not _is_visible_ascii(access_token):
        raise _invalid(response, "sent no usable access_token")
    token_type = data.get("token_type")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise _invalid(response, "sent no token_type 'Bearer', the only one krauth can use")
    lifetime = read_lifetime(response, data.get("expires_in"))
    refresh_token = data.get("refresh_token")
    refresh_expires_at = None
    if not isinstance(refresh_token, str) or not refresh_token or not refresh_token.isprintable():
        # RFC 6749 §6: the server MAY issue a new refresh token; else the old one goes on.
        refresh_token = previous.refresh_token if previous else None
        refresh_expires_at = previous.refresh_expires_at if previous else None
    scope = data.get("scope")
    if isinstance(scope, list):
        scope = " ".join(str(part) for part in scope)
    from .._values.token import Token

    return Token(
        access_token=access_token,
        expires_at=None if lifetime is None else now + lifetime,
        obtained_at=now,
        # §5.1: scope is optional in the answer "if identical to the scope requested by the client".
        scope=scope if isinstance(scope, str) else (previous.scope if previous else None),
        refresh_token=refresh_token,
        refresh_expires_at=refresh_expires_at,
    )


def read_lifetime(response: HTTPResponse, value: Any) -> float | None:
    """Return `expires_in` in seconds, or `None` when it is missing (the token is then used until it is refused).

    Numbers written as strings and fractions are read as meant; what is beyond ten years is cut to ten years.

    Raises:
        InvalidTokenResponse: It is 0, negative, not a number, or infinite.
    """
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        lifetime = float(value)
    except OverflowError:
        lifetime = MAX_LIFETIME
    except ValueError:
        raise _invalid(response, "sent an expires_in that is not a number of seconds") from None
    if not math.isfinite(lifetime):
        raise _invalid(response, "sent an expires_in that is not a finite number of seconds")
    if lifetime <= 0:
        raise _invalid(response, "sent a token that has already expired (expires_in is 0 or less)")
    return min(lifetime, MAX_LIFETIME)


def error_code(data: Mapping[str, Any] | None) -> str | None:
    """Return the code of an error body: `{"code": …}`, `{"error": "…"}` or `{"error": {"code": …}}`."""
    if data is None:
        return None
    error = data.get("error")
    nested = error.get("code") if isinstance(error, dict) else None
    for value in (data.get("code"), nested, error):
        if isinstance(value, str) and value:
            return printable(value, 100)
    return None


def find_rule(errors: ErrorTable, status: int, code: str | None) -> Rule | None:
    """Return the row for a status and code: the provider's exact one, its general one, or RFC 6749's."""
    if code is None:
        return None
    return errors.get((status, code)) or errors.get((None, code)) or RFC6749_ERRORS.get((None, code))


def refusal(
    response: HTTPResponse,
    now: float,
    errors: ErrorTable,
    what: str = "token request",
    *,
    secrets: Sequence[Secret] = (),
) -> TokenEndpointError:
    """Return the error that a refused request to the authorization server means, with the remedy in its message."""
    data = _without(secrets, read_json_object(response.body) or {})
    code = error_code(data)
    rule = find_rule(errors, response.status, code)
    kind = rule.error if rule else TokenEndpointError
    remedy = rule.remedy if rule else "see the server's words; nothing is repeated until something changes"
    # A date in Retry-After is by the server's clock, like the Date beside it.
    retry_after = parse_retry_after(response.header("retry-after"), parse_http_date(response.header("date")) or now)
    if response.status == 429 and not issubclass(kind, RateLimitError):
        kind, remedy = RateLimitError, "wait before the next attempt; share one token store between processes"
    elif response.status >= 500 and not issubclass(kind, TokenServerError):
        again = "this is tried again by itself" if what == "token request" else "try again later"
        kind, remedy = TokenServerError, f"the server failed; {again}"
    elif rule is None and response.status == 401:
        kind, remedy = InvalidClientError, "check client_id and client_secret"
    elif rule is None and response.status in (404, 405, 415):
        remedy = "this is not the token endpoint, or not in the form it wants; check base_url"
    error = data.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    words = printable(data.get("error_description")) or printable(data.get("message")) or printable(nested)
    trace_id = printable(response.header("gncp-gw-trace-id")) or printable(data.get("traceId"))
    message = f"{what} refused: {response.status}{f' {code}' if code else ''}"
    message += f" ({words})" if words else ""
    message += f"; {remedy}"
    message += f"; trace id {trace_id}" if trace_id else ""
    return kind(
        message,
        status=response.status,
        code=code,
        error=printable(error) if isinstance(error, str) else None,
        error_description=words,
        trace_id=trace_id,
        retry_after=retry_after,
    )


def _without(secrets: Sequence[Secret], data: dict[str, Any]) -> dict[str, Any]:
    """Blot out the secrets in a server's words: some servers repeat what they refuse."""

    def blot(value: Any) -> Any:
        for secret in secrets:
            if isinstance(value, str):
                value = value.replace(secret.reveal(), "<secret>")
        return value

    error = data.get("error")
    nested = {"error": {name: blot(value) for name, value in error.items()}} if isinstance(error, dict) else {}
    return {name: blot(value) for name, value in data.items()} | nested


def _invalid(response: HTTPResponse, what: str) -> InvalidTokenResponse:
    trace_id = printable(response.header("gncp-gw-trace-id"))
    return InvalidTokenResponse(
        f"the token endpoint {what}" + (f"; trace id {trace_id}" if trace_id else ""),
        status=response.status,
        trace_id=trace_id,
    )


def _is_visible_ascii(text: str) -> bool:
    return all(33 <= ord(char) <= 126 for char in text)
