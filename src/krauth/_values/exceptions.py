"""Every error krauth raises.

    KrauthError
    ├── ConfigurationError (also ValueError)   a setting cannot work; raised before any request
    ├── TokenError                             no token could be had
    │   ├── TokenTransportError                the token endpoint could not be reached
    │   ├── TokenEndpointError                 the token endpoint refused
    │   │   ├── InvalidClientError             wrong client_id, client_secret or signature
    │   │   ├── InvalidGrantError              code or refresh token no longer valid
    │   │   ├── IPNotAllowedError              the caller's IP is not on the allow-list
    │   │   ├── RateLimitError                 too many token requests
    │   │   ├── TokenServerError               the server failed (5xx)
    │   │   └── InvalidTokenResponse           an answer that is not a token response
    │   └── AuthorizationRequired              a user has to sign in (again)
    ├── AuthorizationError                     the authorization endpoint answered with an error
    │   ├── AccessDenied                       the user said no
    │   └── StateMismatch                      the callback belongs to another request
    └── TokenStoreError                        the token store failed
        └── StoreConflict                      somebody else saved in the meantime

Each message says what happened and what to do about it, and holds no secret. All of them can be copied and pickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .secret import Secret


class KrauthError(Exception):
    """Base of every error that krauth raises."""


class ConfigurationError(KrauthError, ValueError):
    """A setting is missing or cannot work. Raised when an auth object is made, before any request."""


class TokenError(KrauthError):
    """No usable token could be had.

    Attributes:
        transient: Whether a later attempt may succeed with nothing changed.
        retry_after: Seconds that the server asked to wait, or `None`.
        pause: Seconds until the next token request at least, by the provider's error table; grows with each repeat.
        application_wide: Whether it concerns all tokens of the application, and not this one alone.
    """

    transient: bool = False
    retry_after: float | None = None
    pause: float = 0.0
    application_wide: bool = False


class TokenTransportError(TokenError):
    """The token endpoint could not be reached, or did not answer in time."""

    transient = True


class TokenEndpointError(TokenError):
    """The token endpoint answered, and the answer is not a token.

    Attributes:
        status: HTTP status code, or `None`.
        code: The provider's error code (`"GW.IP_NOT_ALLOWED"`), or `None`.
        error: The RFC 6749 `error` (`"invalid_client"`), or `None`.
        error_description: The server's own words, or `None`.
        trace_id: What the vendor's support asks for (Naver: `GNCP-GW-Trace-ID`), or `None`.
        retry_after: Seconds to wait, or `None`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        error: str | None = None,
        error_description: str | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.error = error
        self.error_description = error_description
        self.trace_id = trace_id
        self.retry_after = retry_after


class InvalidClientError(TokenEndpointError):
    """The client could not be authenticated: client_id, client_secret or signature is wrong."""


class InvalidGrantError(TokenEndpointError):
    """The authorization code or refresh token is spent, expired, revoked or not for this client."""


class IPNotAllowedError(TokenEndpointError):
    """The caller's IP address is not on the application's allow-list."""


class RateLimitError(TokenEndpointError):
    """The token endpoint asked for fewer requests."""

    transient = True


class TokenServerError(TokenEndpointError):
    """The token endpoint failed on its own side."""

    transient = True


class InvalidTokenResponse(TokenEndpointError):
    """The token endpoint answered with something that is not a token response.

    Attributes:
        refresh_token: A new refresh token that came without a usable access token, or `None`. It is for the engine,
            which saves it; copies and pickles of the error do not have it.
    """

    refresh_token: Secret | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in vars(self).items() if name != "refresh_token"}
        return type(self), self.args, state


class AuthorizationRequired(TokenError):
    """A user has to authorize (again) before requests can be sent on their behalf."""

    #: Whether the token was revoked on purpose, so that what is left of it is not used either.
    revoked: bool = False


class AuthorizationError(KrauthError):
    """The authorization endpoint answered with an error (RFC 6749 §4.1.2.1), or the callback is malformed.

    Attributes:
        error: The RFC 6749 `error`, or `None` when the callback itself is at fault.
        error_description: The server's own words, or `None`.
    """

    def __init__(self, message: str, *, error: str | None = None, error_description: str | None = None) -> None:
        super().__init__(message)
        self.error = error
        self.error_description = error_description


class AccessDenied(AuthorizationError):
    """The user, or the server on their behalf, refused (`error=access_denied`)."""


class StateMismatch(AuthorizationError):
    """The callback's `state` is not that of the request: it belongs to another sign-in, or is forged."""


class TokenStoreError(KrauthError):
    """The token store could not be read or written."""


class StoreConflict(TokenStoreError):
    """The entry changed since it was read, or the lease under which it was to be saved was lost."""


def without_frames(error: BaseException) -> BaseException:
    """Return `error` with the tracebacks of its whole chain removed.

    The frames of an HTTP library hold the body of a token request, which carries the client's secret; a tool that
    renders local variables would show it. Type and message, which help, are kept.
    """
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        link = queue.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        queue += [link.__cause__, link.__context__]
    return error
