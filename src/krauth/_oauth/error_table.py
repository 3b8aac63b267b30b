"""Error tables: what a status and a code mean, at the token endpoint and at the API. Used by `grants` and providers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .._values.checks import read_json_object
from .._values.exceptions import (
    InvalidClientError,
    InvalidGrantError,
    RateLimitError,
    TokenEndpointError,
    TokenServerError,
)
from .._values.guard import as_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    #: Our name of a field → the server's name, a dotted path into nested objects, or several of them in order.
    FieldNames = Mapping[str, str | tuple[str, ...]]


class Verdict(tuple[bool, str | None, str | None]):
    """What a refused API call says about the credential that was sent.

    Attributes:
        refresh: Whether a new token may help; then the request is repeated once.
        code: The provider's code, or `None`.
        remedy: What the operator can do, or `None`.
    """

    # Written out: `typing.NamedTuple` takes as long to define one as a whole module takes to load.
    __slots__ = ()

    def __new__(cls, refresh: bool, code: str | None = None, remedy: str | None = None) -> Self:
        return super().__new__(cls, (refresh, code, remedy))

    @property
    def refresh(self) -> bool:
        """Whether a new token may help; then the request is repeated once."""
        return self[0]

    @property
    def code(self) -> str | None:
        """The provider's code."""
        return self[1]

    @property
    def remedy(self) -> str | None:
        """What the operator can do."""
        return self[2]

    @property
    def clock(self) -> bool:
        """Whether the time in the request is to blame; then the request is signed anew and repeated once."""
        return False


class ClockVerdict(Verdict):
    """A verdict that blames the time in the request."""

    __slots__ = ()

    @property
    def clock(self) -> bool:
        """True: the request is signed anew, with the time that the answer names, and repeated once."""
        return True


class Rule:
    """A row of a provider's error table.

    Attributes:
        remedy: What the operator can do. `{carried}` stands for the names of the fields that the request carried.
        refresh: Whether a new token may make a refused API call succeed.
        error: The exception for a refused token request; `None`: as the status says.
        transient: Whether a later attempt may succeed with nothing changed; `None`: as the exception's type says.
        pause: Seconds until the next token request, at least. The pause grows while the refusals go on.
        application_wide: Whether the refusal concerns all tokens of the application, not this token alone.
        may_be_the_secret: Whether a client secret that was replaced may be the cause, as `InvalidClientError` says.
        clock: Whether a refused API call says that the time in it, by which it is signed, is wrong.
        by_header: A header field's name and other rows by its value (upper case); without a match this row holds.
    """

    # Not a `NamedTuple` or a dataclass: each takes as long to define as a whole module takes to load.
    __slots__ = (
        *("application_wide", "by_header", "clock", "error", "may_be_the_secret"),
        *("pause", "refresh", "remedy", "transient"),
    )

    def __init__(
        self,
        remedy: str = "",
        refresh: bool = False,
        error: type[TokenEndpointError] | None = None,
        transient: bool | None = None,
        pause: float = 0.0,
        application_wide: bool = False,
        may_be_the_secret: bool = False,
        clock: bool = False,
        by_header: tuple[str, Mapping[str, Rule]] | None = None,
    ) -> None:
        self.remedy, self.refresh, self.error, self.transient, self.pause = remedy, refresh, error, transient, pause
        self.application_wide, self.may_be_the_secret = application_wide, may_be_the_secret
        self.clock, self.by_header = clock, by_header

    def with_error(self, error: type[TokenEndpointError] | None) -> Rule:
        """Return the same row with another exception."""
        return Rule(
            *(self.remedy, self.refresh, error, self.transient, self.pause, self.application_wide),
            *(self.may_be_the_secret, self.clock, self.by_header),
        )

    def for_headers(self, headers: Mapping[str, str]) -> Rule:
        """Return the row that holds for an answer with these header fields."""
        if self.by_header is None:
            return self
        name, rows = self.by_header
        return rows.get((read_header(headers, name) or "").strip().upper(), self)

    def _fields(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in Rule.__slots__}

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Rule) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.remedy, self.refresh, self.error, self.clock))

    def __repr__(self) -> str:
        usual = Rule()._fields()
        given = ((name, value) for name, value in self._fields().items() if value != usual[name])
        return f"Rule({', '.join(f'{name}={value!r}' for name, value in given)})"


#: `(status, code)` → what it means. `(None, code)` matches any status, `(status, None)` any code that has no row.
ErrorTable = dict[tuple[int | None, str | None], Rule]

#: RFC 6749 §5.2 and RFC 6750 §3.1.
RFC_ERRORS: ErrorTable = {
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
    (401, "invalid_grant"): Rule("the token is expired or revoked", refresh=True, error=InvalidGrantError),
    (401, "invalid_token"): Rule("the token is expired, revoked or malformed", refresh=True),
    # RFC 6750 §3.1: "The request requires higher privileges than provided by the access token."
    (None, "insufficient_scope"): Rule("the token lacks a scope that this call needs; ask for it with scope=…"),
}

#: What a refused token request means where no row has its code. 500 stands for all of 500–599.
STATUS_ERRORS: ErrorTable = {
    # RFC 6749 §5.2 answers 401 to a client that could not be authenticated; some servers answer it to anything.
    (401, None): Rule(
        "the server names no cause; check all that the request carried: {carried}", error=InvalidClientError
    ),
    **{
        (status, None): Rule("this is not the token endpoint, or not in the form it wants; check base_url")
        for status in (404, 405, 415)
    },
    (429, None): Rule(
        "wait before the next attempt; share one token store between processes", error=RateLimitError, pause=1.0
    ),
    (500, None): Rule("the server failed; this is tried again by itself", error=TokenServerError),
}
_UNKNOWN = Rule("see the server's words; nothing is repeated until something changes", error=TokenEndpointError)

#: One parameter of a challenge (RFC 9110 §11.2); a quoted string is read as a whole.
_PARAMETER = r'([!#$%&\'*+.^_`|~0-9A-Za-z-]{1,64})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s,"]+)'


def find_rule(errors: ErrorTable, status: int, code: str | None) -> Rule | None:
    """Return the row for a code: the provider's for this status, the provider's for any status, or the RFCs'."""
    if code is None:
        return None
    for table in (errors, RFC_ERRORS):
        for key in ((status, code), (None, code)):
            if key in table:
                return table[key]
    return None


def find_refusal(errors: ErrorTable, status: int, code: str | None, headers: Mapping[str, str]) -> Rule:
    """Return the row for a refused token request, with the kind of error filled in."""
    by_status = STATUS_ERRORS.get((500 if 500 <= status < 600 else status, None), _UNKNOWN)
    # A server with a failure (5xx) or too many requests (429) does not reliably say why it refused this request.
    is_passing = status == 429 or status >= 500
    named = errors.get((status, code)) if is_passing else find_rule(errors, status, code)
    rule = (named or errors.get((status, None)) or by_status).for_headers(headers)
    return rule if rule.error is not None else rule.with_error(by_status.error if is_passing else None)


def judge_refusal(
    errors: ErrorTable,
    method: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    defaults: ErrorTable | None = None,
    names: FieldNames | None = None,
) -> Verdict:
    """Say what a refused API call means, by the provider's table, the RFCs' rows, and the row for the status alone.

    Args:
        errors: The provider's table.
        method: Of the request.
        status: Of the answer.
        headers: Of the answer; the `error` of a `WWW-Authenticate` field counts where the body names no code.
        body: Of the answer.
        defaults: Rows that hold where the provider's table has none for the status alone.
        names: Where the server keeps its codes, under `"error"`.
    """
    challenged = challenge_error(headers)
    code = error_code(read_json_object(body), names) or challenged
    rule = find_rule(errors, status, code)
    # Where body and challenge differ, one row that rules a new token out is enough.
    other = find_rule(errors, status, challenged) if challenged is not None and challenged != code else None
    if other is not None and not other.refresh:
        rule, code = other, challenged
    if rule is not None:
        rule = rule.for_headers(headers)
        return (ClockVerdict if rule.clock else Verdict)(rule.refresh, code, rule.remedy or None)
    if method == "HEAD" and status == 401 and code is None:
        return Verdict(True)  # an answer to HEAD has no body that could name the code (RFC 9110 §9.3.2)
    unnamed = errors.get((status, None)) or (defaults or {}).get((status, None))
    if unnamed is None:
        return Verdict(False, code)
    unnamed = unnamed.for_headers(headers)
    remedy = None if "{carried}" in unnamed.remedy else unnamed.remedy or None  # that is about a token request
    return (ClockVerdict if unnamed.clock else Verdict)(unnamed.refresh, code, remedy)


def error_code(data: Mapping[str, object] | None, names: FieldNames | None = None) -> str | None:
    """Return the code of an error body: `{"code": …}`, `{"error": "…"}` or `{"error": {"code": …}}`.

    A text that does not look like a code is none; it may be anything, a token included.

    Args:
        data: The body, or `None`.
        names: Where else the code is, under `"error"`: a field's name or a dotted path. Numbers count there, too.
            `"error_pattern"` is a regular expression whose first group is the code within that field's sentence.
    """
    return as_code(error_text(data, names))


def error_text(data: Mapping[str, object] | None, names: FieldNames | None = None) -> str | None:
    """Return what stands in the code's place: a code, or in the wild a sentence. Not fit to be shown as it is."""
    if data is None:
        return None
    if names and "error" in names:
        paths, pattern = names["error"], names.get("error_pattern")
        for path in (paths,) if isinstance(paths, str) else paths:
            text = _code_in(pick(data, {}, path), pattern if isinstance(pattern, str) else None)
            if text is not None:
                return text
        return None
    error = data.get("error")
    nested = error.get("code") if isinstance(error, dict) else None
    return next((value for value in (data.get("code"), nested, error) if isinstance(value, str) and value), None)


def _code_in(value: object, pattern: str | None) -> str | None:
    """Return a field's code: a number, a text, or with a pattern the code that stands within a sentence."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**18 else None
    if not isinstance(value, str) or not value:
        return None
    if pattern is None:
        return value
    found = re.search(pattern, value[:1024])
    return found[1] if found else as_code(value)


def pick(data: Mapping[str, object], names: FieldNames, name: str) -> object:
    """Return the value of a field under the server's name for it, or `None`."""
    paths = names.get(name, name)
    for path in (paths,) if isinstance(paths, str) else paths:
        value: object = data.get(path)
        if value is None and "." in path:
            value = data
            for part in path.split("."):
                value = value.get(part) if isinstance(value, dict) else _item(value, part)
        if value is not None:
            return value
    return None


def _item(value: object, index: str) -> object:
    if not isinstance(value, list) or not index.isdecimal() or len(index) > 3:
        return None
    return value[int(index)] if int(index) < len(value) else None


def challenge_error(headers: Mapping[str, str]) -> str | None:
    """Return the `error` of a `WWW-Authenticate` field (RFC 6750 §3), or `None`."""
    for match in re.finditer(_PARAMETER, (read_header(headers, "WWW-Authenticate") or "")[:2048]):
        if match[1].lower() == "error":
            return as_code(match[2].strip('"'))
    return None


def read_header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header field out of any library's mapping; several lines of one field are joined (RFC 9110 §5.3)."""
    if (getall := getattr(headers, "getall", None)) is not None:  # aiohttp's `get` returns the first line alone
        return ", ".join(getall(name, ())) or None
    return headers.get(name) or headers.get(name.lower())
