"""RFC 6749 token requests and responses, as `prepare_…` / `process_…` pairs used by `naver` and `client`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .._values.checks import MAX_TOKEN, is_access_token, is_line, printable, read_json_object
from .._values.clock import parse_retry_after, read_server_time
from .._values.exceptions import InvalidTokenResponse, TokenEndpointError
from .._values.secret import Secret
from .error_table import error_code, error_text, find_refusal, pick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.token import Token
    from .error_table import ErrorTable, FieldNames

#: Ten years: what a longer `expires_in` is read as. A refresh that comes sooner than needed does no harm.
MAX_LIFETIME = 10 * 365 * 86400.0

_NO_NAMES: FieldNames = {}


def prepare_form_request(
    endpoint: str, fields: Mapping[str, str | Sequence[str] | None], headers: Mapping[str, str] | None = None
) -> HTTPRequest:
    """Return a POST with a form body; nothing ever goes into the URL.

    Args:
        endpoint: Where to.
        fields: Name → value, or several values for a field that is sent several times. `None` is left out.
        headers: Header fields in addition to `Content-Type` and `Accept`.
    """
    from .._values.messages import HTTPRequest

    given = {name: value for name, value in fields.items() if value is not None}
    return HTTPRequest(
        "POST",
        endpoint,
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            **(headers or {}),
        },
        urlencode(given, doseq=True).encode("ascii"),
    )


def prepare_json_request(
    endpoint: str, fields: Mapping[str, str | None], headers: Mapping[str, str] | None = None
) -> HTTPRequest:
    """Return a POST with a JSON body. Fields that are `None` are left out."""
    from .._values.messages import HTTPRequest

    body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
    fixed = {"Content-Type": "application/json", "Accept": "application/json"}
    return HTTPRequest("POST", endpoint, {**fixed, **(headers or {})}, body)


def process_token_response(
    response: HTTPResponse,
    now: float,
    *,
    errors: ErrorTable,
    previous: Token | None = None,
    secrets: Sequence[Secret] = (),
    token_fields: FieldNames = _NO_NAMES,
    time_zone: str | None = None,
    time_format: str | None = None,
    trace_header: str | None = None,
    carried: Sequence[str] = (),
) -> Token:
    """Return the token in a response (RFC 6749 §5.1), or raise what it means (§5.2).

    Any 2xx, and any content type whose body is a JSON object, is read. A missing `token_type` means Bearer.

    Args:
        response: What the token endpoint answered.
        now: When the request was sent, seconds since the epoch.
        errors: The provider's table, asked before RFC 6749's own.
        previous: The token whose refresh token stays in force when the response brings none (§6).
        secrets: What the request held. The guard knows each of them as long as it is held here.
        token_fields: Our name of a field → the server's name or dotted path; see `Credentials.token_fields`.
        time_zone: The zone of an `expires_at` that names none: `"KST"`, `"UTC"` or an IANA name.
        time_format: The format of an `expires_at` for `strptime`; `None`: ISO 8601, 14 digits, or a number.
        trace_header: The header field that the vendor's support asks for, or `None`.
        carried: The names of the fields that the request carried, for messages.

    Raises:
        InvalidTokenResponse: 2xx or 3xx, but no token that can be used. A new refresh token that came with it is in
            its `refresh_token`: the old one may be spent.
        TokenEndpointError: Any other status, or a 2xx that names an error.
    """

    answer = _Answer(
        response, now, errors, previous, secrets, token_fields, time_zone, time_format, trace_header, carried
    )
    answer.check_status()
    return answer.read_token(answer.read_object())


class _Answer:
    """One answer of a token endpoint and how this server writes; the arguments of `process_token_response`."""

    __slots__ = (
        *("carried", "errors", "now", "previous", "response"),
        *("secrets", "time_format", "time_zone", "token_fields", "trace_header"),
    )

    def __init__(
        self,
        response: HTTPResponse,
        now: float,
        errors: ErrorTable,
        previous: Token | None,
        secrets: Sequence[Secret],
        token_fields: FieldNames,
        time_zone: str | None,
        time_format: str | None,
        trace_header: str | None,
        carried: Sequence[str],
    ) -> None:
        self.response, self.now, self.errors, self.previous, self.secrets = response, now, errors, previous, secrets
        self.token_fields, self.time_zone, self.time_format = token_fields, time_zone, time_format
        self.trace_header, self.carried = trace_header, carried

    def check_status(self) -> None:
        """Raise what any status but 2xx means."""
        status = self.response.status
        if status >= 400:
            raise self.refused()
        if status >= 300:
            raise self.invalid(
                "with a redirect, which is not followed: the request carries the client's secret; check base_url"
                " (http instead of https? a wrong host or path?)"
            )
        if status < 200:
            raise self.invalid("which is no final answer; check proxies")

    def read_object(self) -> Mapping[str, object]:
        """Return the JSON object of the answer, or raise an error that describes the answer."""
        data = read_json_object(self.response.body)
        if data is None:
            what = "with something that is not a JSON object" if self.response.body.strip() else "with an empty body"
            raise self.invalid(f"{what}; check base_url and proxies")
        return data

    def read_token(self, data: Mapping[str, object]) -> Token:
        """Return the token in the object, or raise why there is none."""
        previous = self.previous
        found = self.pick(data, "refresh_token")
        refresh_token = found if is_line(found, MAX_TOKEN) else None
        access_token = self.check_access_token(data, refresh_token)
        lifetime = self.read_lifetime(data, "")
        if lifetime is not None and lifetime <= 0:
            _warn_of_expired()
        refresh_lifetime = self.read_lifetime(data, "refresh_token_")
        if refresh_lifetime is not None and refresh_lifetime > 0:  # some servers write 0 for a token that has no end
            refresh_expires_at: float | None = self.now + refresh_lifetime
        else:
            refresh_expires_at = previous.refresh_expires_at if previous and not refresh_token else None
        scope = _read_scope(self.pick(data, "scope"))
        from .._values.token import Token

        return Token(
            access_token=access_token,
            expires_at=None if lifetime is None else self.now + max(lifetime, 0.0),
            obtained_at=self.now,
            # §5.1: scope is optional in the answer "if identical to the scope requested by the client".
            scope=scope if scope is not None else (previous.scope if previous else None),
            # §6: the server MAY issue a new refresh token; else the old one goes on.
            refresh_token=refresh_token or (previous.refresh_token if previous else None),
            refresh_expires_at=refresh_expires_at,
        )

    def check_access_token(self, data: Mapping[str, object], refresh_token: str | None) -> str:
        """Return the access token. An error carries the new refresh token, since the old one may be spent."""
        is_new = refresh_token and (self.previous is None or refresh_token != self.previous.refresh_token)
        kept = refresh_token if is_new else None
        access_token, token_type = self.pick(data, "access_token"), self.pick(data, "token_type")
        if access_token is None and kept is None and error_text(data, self.token_fields) is not None:
            raise self.refused()  # seen in the wild: errors under status 200
        if not isinstance(access_token, str) or not is_access_token(access_token):
            raise self.invalid("without a usable access_token; see the server's documentation", kept)
        is_bearer = isinstance(token_type, str) and token_type.strip().lower() in ("", "bearer")
        if token_type is not None and not is_bearer:
            name = printable(token_type, 60) or type(token_type).__name__
            raise self.invalid(
                f"with token_type {name!r}; krauth can use Bearer tokens alone (RFC 6750): have the server issue those",
                kept,
            )
        return access_token

    def read_lifetime(self, data: Mapping[str, object], prefix: str) -> float | None:
        """Return the seconds that remain, from a lifetime, or from a moment, which is by the server's clock."""
        lifetime = read_lifetime(self.pick(data, f"{prefix}expires_in"))
        if lifetime is not None:
            return lifetime
        at = read_moment(self.pick(data, f"{prefix}expires_at"), self.time_format, self.time_zone)
        return None if at is None else min(at - _server_time(self.response, self.now), MAX_LIFETIME)

    def pick(self, data: Mapping[str, object], name: str) -> object:
        """Return the value of a field, under the server's name for it."""
        return pick(data, self.token_fields, name)

    def invalid(self, what: str, refresh_token: str | None = None) -> InvalidTokenResponse:
        """Return the error for an answer that is no token response; the error describes the answer."""
        response = self.response
        trace_id = printable(response.header(self.trace_header)) if self.trace_header else None
        media_type = printable(response.header("content-type"), 60) or "no content type"
        error = InvalidTokenResponse(
            f"the token endpoint answered {response.status} ({media_type}) {what}"
            + (f"; trace id {trace_id}" if trace_id else ""),
            status=response.status,
            trace_id=trace_id,
        )
        error.refresh_token = Secret(refresh_token) if refresh_token else None
        return error

    def refused(self) -> TokenEndpointError:
        """Return the error that the server names."""
        return refusal(
            self.response,
            self.now,
            self.errors,
            secrets=self.secrets,
            token_fields=self.token_fields,
            trace_header=self.trace_header,
            carried=self.carried,
        )


def _read_scope(value: object) -> str | None:
    if isinstance(value, list):
        value = " ".join(str(part) for part in value)
    return "" if value == "" else value if is_line(value) else None


def _server_time(response: HTTPResponse, now: float) -> float:
    return read_server_time(response.header("date")) or now


def read_lifetime(value: object) -> float | None:
    """Return `expires_in` in seconds, 0 or less when it is over, or `None` when it is missing or unreadable.

    Numbers written as strings, and fractions, are accepted. More than ten years counts as ten years.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        lifetime = float(value)
    except OverflowError:  # an integer beyond all floats
        lifetime = MAX_LIFETIME if int(value) > 0 else 0.0
    except ValueError:
        return None
    return min(lifetime, MAX_LIFETIME) if math.isfinite(lifetime) else None


def read_moment(value: object, time_format: str | None = None, time_zone: str | None = None) -> float | None:
    """Return a moment as seconds since the epoch, or `None` when it can't be told.

    Args:
        value: A number (seconds, or milliseconds where it is above 10**11) or a string: such a number, ISO 8601, or
            14 digits (`20241107083713`).
        time_format: Another format, for `strptime`.
        time_zone: The zone of a string that names none; without it such a string can't be told.
    """
    if isinstance(value, str) and (text := value.strip()) and len(text) <= 100:
        is_number = time_format is None and text.isdecimal() and len(text) != 14
        if not is_number:
            return _read_date(text, time_format, time_zone)
        value = int(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 10**15:
        return None
    return value / 1000 if value > 10**11 else float(value)


def _read_date(text: str, time_format: str | None, time_zone: str | None) -> float | None:
    from datetime import datetime

    if time_format is None and text.isdecimal():
        time_format = "%Y%m%d%H%M%S"
    try:
        at = datetime.strptime(text, time_format) if time_format else datetime.fromisoformat(text)
        if at.tzinfo is None:
            if time_zone is None:
                return None
            at = at.replace(tzinfo=_zone(time_zone))
        return at.timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(name: str) -> tzinfo:
    from datetime import UTC, timedelta, timezone

    # Korea has had no daylight saving time since 1988, so that Windows can do without a table of zones.
    if name in ("KST", "Asia/Seoul"):
        return timezone(timedelta(hours=9), "KST")
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _warn_of_expired() -> None:
    from .._values.event import logger

    logger.warning(
        "the token endpoint sent a token that has already expired (expires_in or expires_at): it is used once, and the"
        " next call needs another; check how long the server lets tokens live, and both clocks"
    )


def refusal(
    response: HTTPResponse,
    now: float,
    errors: ErrorTable,
    what: str = "token request",
    *,
    secrets: Sequence[Secret] = (),
    token_fields: FieldNames = _NO_NAMES,
    trace_header: str | None = None,
    carried: Sequence[str] = (),
) -> TokenEndpointError:
    """Return the error that a refused request to the authorization server means, with the remedy in its message.

    Args:
        response: What the server answered.
        now: Seconds since the epoch.
        errors: The provider's table, asked before the RFCs' own.
        what: The name of the refused request, for the message.
        secrets: What the request held. The guard knows each of them as long as it is held here.
        token_fields: Our name of a field → the server's name or dotted path.
        trace_header: The header field that the vendor's support asks for, or `None`.
        carried: The names of the fields that the request carried, for messages.
    """
    data = read_json_object(response.body) or {}
    code, text = error_code(data, token_fields), error_text(data, token_fields)
    rule = find_refusal(errors, response.status, code, response.headers)
    error = data.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    candidates = [pick(data, token_fields, "error_description"), data.get("message"), nested]
    candidates += [text] if code is None else []
    description = next((told for told in map(printable, candidates) if told), None)
    trace_id = printable(response.header(trace_header)) if trace_header else None
    trace_id = trace_id or printable(pick(data, token_fields, "trace_id"))
    remedy = rule.remedy.replace("{carried}", ", ".join(carried) or "client_id, client_secret, scope")
    if what != "token request":
        remedy = remedy.replace("this is tried again by itself", "try again later")
    message = f"{what} refused: {response.status}{f' {code}' if code else ''}"
    message += f" ({description})" if description else ""
    message += f"; {remedy}"
    message += f"; trace id {trace_id}" if trace_id else ""
    refused = (rule.error or TokenEndpointError)(
        message,
        status=response.status,
        code=code,
        error=error if isinstance(error, str) else None,
        error_description=description,
        trace_id=trace_id,
        # A date in Retry-After is by the server's clock, like the Date beside it.
        retry_after=parse_retry_after(response.header("retry-after"), _server_time(response, now)),
    )
    if rule.transient is not None:
        refused.transient = rule.transient
    if rule.pause:
        refused.pause = rule.pause
    if rule.application_wide:
        refused.application_wide = True
    if rule.may_be_the_secret:
        refused.may_be_the_secret = True
    return refused
