"""The authorization code grant (RFC 6749 §4.1) with PKCE: where to send the user, and what their return says.

`prepare_authorization_request` / `process_authorization_response`, then `prepare_code_request` for the token.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from .._values.checks import MAX_TOKEN, printable
from .._values.exceptions import UNNAMED, AccessDenied, AuthorizationError, ConfigurationError, StateMismatch
from .._values.guard import Holder, as_code, shown_key
from .._values.origin import parse_origin
from .._values.secret import Secret, unseen
from .grants import prepare_form_request
from .pkce import METHODS, make_code_challenge, make_code_verifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._values.messages import HTTPRequest
    from .client import OAuth2Credentials

#: Parameters of a callback of which there must be one at most (RFC 6749 §3.1).
_SINGLE = ("code", "state", "error", "error_description", "error_uri", "iss")

#: RFC 6749 §4.1.2.1, what each error means for the operator of the client.
_ERRORS = {
    "access_denied": "the user, or the server, said no",
    "invalid_request": "the server found the request malformed; check redirect_uri and scope",
    "unauthorized_client": "the client may not use this grant; check its registration",
    "unsupported_response_type": "the server does not offer the authorization code grant",
    "invalid_scope": "the client may not ask for this scope; check scope=…",
    "server_error": "the server failed; let the user try again",
    "temporarily_unavailable": "the server is overloaded; let the user try again later",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AuthorizationRequest(Holder):
    """One sign-in under way: keep it, bound to the user's own session, until they come back.

    Attributes:
        url: Where to send the user.
        state: Ties the callback to this request.
        code_verifier: PKCE's secret half.
        redirect_uri: Where the user comes back to.
        key: The client and user that it was made for.
    """

    url: str
    state: str
    code_verifier: str
    redirect_uri: str
    key: str

    def __post_init__(self) -> None:
        self._make_known(self.code_verifier)

    def to_dict(self) -> dict[str, str]:
        """Return it as JSON-ready strings, for a web app's session; keep them from other users' eyes."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, data: Mapping[str, object] | Secret) -> Self:
        """Return what `to_dict` gave.

        Raises:
            AuthorizationError: It is not what `to_dict` gave.
        """
        kept = unseen(data)
        del data  # or a traceback with local variables would show the verifier
        made = cls._of(kept)
        if made is None:
            raise AuthorizationError("the sign-in kept in the session is incomplete; let the user start again")
        return made

    @classmethod
    def _of(cls, kept: Secret) -> Self | None:
        data: Any = kept.reveal()
        try:
            given = {name: data[name] for name in cls.__dataclass_fields__}
        except (KeyError, TypeError):
            return None
        return cls(**given) if all(isinstance(value, str) and value for value in given.values()) else None

    def __repr__(self) -> str:
        return f"<AuthorizationRequest for {shown_key(self.key)}>"

    def __eq__(self, other: object) -> bool:
        # Written out: where `dataclass` makes it, pytest shows the fields that differ.
        return isinstance(other, AuthorizationRequest) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.state, self.code_verifier))


def prepare_authorization_request(
    credentials: OAuth2Credentials,
    *,
    code_challenge_method: str = "S256",
    parameters: Mapping[str, str] | None = None,
) -> AuthorizationRequest:
    """Return a new request for the user's authorization (RFC 6749 §4.1.1, RFC 7636 §4.3).

    Args:
        credentials: Of the client, with `user`, `redirect_uri` and `authorization_endpoint`.
        code_challenge_method: `"S256"`; `"plain"` only for a server that can do no better.
        parameters: More parameters for the server (`prompt`, `login_hint`, …).

    Raises:
        ConfigurationError: The credentials can't be used so.
    """
    if credentials.user is None:
        raise ConfigurationError("authorizing needs user=…, any name of yours for whose token it will be")
    endpoint, redirect_uri = credentials.authorization_endpoint, credentials.redirect_uri
    if endpoint is None:
        raise ConfigurationError("authorizing needs authorization_endpoint=…")
    if redirect_uri is None:
        raise ConfigurationError("authorizing needs redirect_uri=…, as registered with the server")
    if code_challenge_method not in METHODS:
        raise ConfigurationError("code_challenge_method must be 'S256' or 'plain'")
    state, verifier = secrets.token_urlsafe(32), make_code_verifier()
    query = {
        "response_type": "code",
        "client_id": credentials.client_id,
        "redirect_uri": redirect_uri,
        "scope": credentials.scope,
        "state": state,
        "code_challenge": make_code_challenge(verifier, code_challenge_method),
        "code_challenge_method": code_challenge_method,
    }
    if clash := query.keys() & (parameters or {}).keys():
        raise ConfigurationError(f"parameters must not set {', '.join(sorted(clash))}: krauth does")
    query.update(parameters or {})
    # §3.1: a query that the endpoint has "MUST be retained when adding additional query parameters".
    present = parse_qs(urlsplit(endpoint).query, keep_blank_values=True)
    if clash := query.keys() & present.keys():
        raise ConfigurationError(f"authorization_endpoint must not set {', '.join(sorted(clash))}: krauth does")
    url = endpoint + ("&" if "?" in endpoint else "?")
    url += urlencode({name: value for name, value in query.items() if value is not None})
    return AuthorizationRequest(url, state, verifier, redirect_uri, credentials.key)


def process_authorization_response(
    credentials: OAuth2Credentials, callback_url: object, request: AuthorizationRequest
) -> Secret:
    """Return the authorization code that the user came back with.

    Args:
        credentials: Those that the request was made with.
        callback_url: The URL the user came back to, with its query; also as a `Secret`.
        request: The request that this user was sent away with.

    Raises:
        StateMismatch: The callback does not belong to the request.
        AccessDenied: The user said no.
        AuthorizationError: The server answered with another error, or the callback is malformed.
    """
    hidden = unseen(callback_url)
    del callback_url  # here and below: or a traceback with local variables would show the code
    if request.key != credentials.key:
        raise StateMismatch("this sign-in was begun for another client or user; let the user start again")
    query = _query(hidden)
    if query is None:
        raise AuthorizationError("the callback is not a URL; pass the whole URL that the user came back to")
    # RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
    doubled = next((name for name in _SINGLE if len(query.get(name, ())) > 1), None)
    values = {name: query[name][0] for name in _SINGLE if name in query}
    code = Secret(values.pop("code", ""))
    del query
    if doubled is not None:
        raise AuthorizationError(f"the callback holds {doubled} more than once; let the user start again")
    state = values.get("state", "")
    if not hmac.compare_digest(state.encode(errors="replace"), request.state.encode(errors="replace")):
        raise StateMismatch(
            "the callback's state is missing or not that of this sign-in: another tab, an old link, or the code of"
            " another user; let the user start again"
        )
    _check_issuer(credentials, values.get("iss"))
    if "error" in values:
        error = as_code(values["error"]) or UNNAMED
        words = printable(values.get("error_description") or (values["error"] if error == UNNAMED else None))
        meaning = _ERRORS.get(error, "see the server's words")
        kind = AccessDenied if error == "access_denied" else AuthorizationError
        raise kind(
            f"not authorized: {error}{f' ({words})' if words else ''}; {meaning}", error=error, error_description=words
        )
    if not 0 < len(code.reveal()) <= MAX_TOKEN:
        raise AuthorizationError("the callback holds neither code nor error; let the user start again")
    return code


def _query(callback_url: Secret) -> dict[str, list[str]] | None:
    """Return the parameters of a callback, or `None` where it is no URL."""
    try:
        text = str(callback_url.reveal())  # frameworks have URL classes
        return parse_qs(urlsplit(text).query, keep_blank_values=True)
    except ValueError:
        return None


def prepare_code_request(
    credentials: OAuth2Credentials, code: Secret, request: AuthorizationRequest, now: float | None = None
) -> HTTPRequest:
    """Return the request that exchanges a code for a token (RFC 6749 §4.1.3, RFC 7636 §4.5); `now` is the server's."""
    fields, headers = credentials.authenticate(now)
    grant: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code.reveal(),
        "redirect_uri": request.redirect_uri,
        "code_verifier": request.code_verifier,
    }
    given = {**credentials.token_parameters, **grant, **fields}
    return prepare_form_request(credentials.token_endpoint, given, headers)


def _check_issuer(credentials: OAuth2Credentials, issuer: str | None) -> None:
    """RFC 9207 §2.4: "compare […] to the issuer identifier […] using simple string comparison"."""
    if issuer is None:
        if credentials.requires_issuer:
            raise StateMismatch("the callback names no issuer (iss), though this server always does (RFC 9207)")
        return
    if credentials.issuer is not None:
        matches = issuer == credentials.issuer
    else:  # not configured: it must at least be the server that the user was sent to
        matches = parse_origin(issuer) == parse_origin(credentials.authorization_endpoint or "")
    if not matches:
        raise StateMismatch(
            "the callback comes from another authorization server than the user was sent to (iss); if it is the same,"
            " give its issuer=… exactly as it writes it"
        )
