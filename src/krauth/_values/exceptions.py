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
        └── StoreConflict                      another process saved in the meantime

Each message says what happened and what to do about it, in English. Where the locale is Korean, a note says in Korean
what to do (PEP 678): a traceback shows it below the message. All of them can be copied and pickled.

Each text that an exception holds passes the guard (`guard.clean`) when it is set: no secret, no control character, a
bounded length. So no `raise` has to think of that.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .guard import ForeignError, as_code, clean, words

if TYPE_CHECKING:
    from .secret import Secret


#: The `error` of a callback whose own does not look like a code.
UNNAMED = "unnamed error"


class KrauthError(Exception):
    """Base of every error that krauth raises."""

    def __init__(self, *args: object) -> None:
        super().__init__(*map(_clean, args))
        # The remedies are loaded with the first error, which may be that the process can open no more files.
        with contextlib.suppress(OSError, ImportError):
            from .language import default_language, remedies

            if args and default_language() != "en":
                kinds = tuple(kind.__name__ for kind in type(self).__mro__ if kind is not KrauthError)
                for remedy in remedies(str(self.args[0]), kinds):
                    super().add_note(remedy)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, tuple(map(_clean, value)) if name == "args" else _clean(value, name))  # type: ignore[call-overload]

    def add_note(self, note: str) -> None:
        """Add a note, which passes the guard as the message does."""
        super().add_note(clean(note))


def _clean(value: object, name: str = "args") -> object:
    """Return a value for a message: a number as it is, a text through the guard, any other value as text."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list) and value:  # the notes of an error that is copied: each caller adds to its own
        return [*value]
    if name == "args" and not (value is None or isinstance(value, int | float)):
        return clean(str(value))
    return value


class ConfigurationError(KrauthError, ValueError):
    """A setting is missing or cannot work. Raised when an auth object is made, before any request."""


class TokenError(KrauthError):
    """No usable token could be had.

    Attributes:
        transient: Whether a later attempt may succeed with nothing changed.
        retry_after: Seconds that the server asked to wait, or `None`.
        pause: Seconds until the next token request at least, by the provider's error table; grows with each repeat.
        application_wide: Whether it concerns all tokens of the application, and not this one alone.
        may_be_the_secret: Whether a client secret that was replaced may be the cause, so that it is read again.
    """

    transient: bool = False
    retry_after: float | None = None
    pause: float = 0.0
    application_wide: bool = False
    may_be_the_secret: bool = False


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
        self.code = as_code(code)
        self.error = as_code(error)
        self.error_description = words(error_description)
        self.trace_id = trace_id
        self.retry_after = retry_after


class InvalidClientError(TokenEndpointError):
    """The client could not be authenticated: client_id, client_secret or signature is wrong."""

    may_be_the_secret = True


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

    def __reduce__(self) -> tuple[object, ...]:
        state = {name: value for name, value in vars(self).items() if name != "refresh_token"}
        return type(self), self.args, state


class AuthorizationRequired(TokenError):
    """A user has to authorize (again) before requests can be sent on their behalf."""

    #: Whether the token was revoked on purpose, so that its last access token is not used either.
    revoked: bool = False


class AuthorizationError(KrauthError):
    """The authorization endpoint answered with an error (RFC 6749 §4.1.2.1), or the callback is malformed.

    Attributes:
        error: The RFC 6749 `error`, `UNNAMED` for what does not look like one, `None` when the callback is at fault.
        error_description: The server's own words, or `None`.
    """

    def __init__(self, message: str, *, error: str | None = None, error_description: str | None = None) -> None:
        super().__init__(message)
        self.error = as_code(error) or (None if error is None else UNNAMED)
        self.error_description = words(error_description)


class AccessDenied(AuthorizationError):
    """The user, or the server on their behalf, refused (`error=access_denied`)."""


class StateMismatch(AuthorizationError):
    """The callback's `state` is not that of the request: it belongs to another sign-in, or is forged."""


class TokenStoreError(KrauthError):
    """The token store could not be read or written."""


class StoreConflict(TokenStoreError):
    """The entry changed since it was read, or the lease under which it was to be saved was lost."""


def without_frames(error: BaseException) -> BaseException:
    """Return `error` without the tracebacks of its whole chain, and with foreign exceptions told by name only.

    The frames of an HTTP library hold the body of a token request, which carries the client's secret; a tool that
    renders local variables would show it. The exceptions of HTTP libraries and stores quote what they read, tokens
    included, and hold the request. So each is replaced by one of the same class that holds nothing. The errors of
    krauth and of the operating system keep their texts, since both help and neither quotes.
    """
    return _told(error, {})


def _told(error: BaseException, seen: dict[int, tuple[BaseException, BaseException]]) -> BaseException:
    if id(error) in seen:
        return seen[id(error)][1]
    told = error if isinstance(error, KrauthError | ForeignError) else _stand_in(error)
    seen[id(error)] = seen[id(told)] = (error, told)  # both are kept, so that no id is used again meanwhile
    told.__traceback__ = None
    if len(seen) > 40:  # no chain is as long by right
        told.__cause__ = told.__context__ = None
        return told
    suppress = error.__suppress_context__
    cause, context = error.__cause__, error.__context__
    told.__cause__ = None if cause is None else _told(cause, seen)
    told.__context__ = None if context is None else _told(context, seen)
    told.__suppress_context__ = suppress  # setting the cause sets this
    return told


def _stand_in(error: BaseException) -> BaseException:
    kind = type(error)
    is_the_systems = isinstance(error, OSError) and kind.__module__ in ("builtins", "socket", "ssl")
    try:
        if is_the_systems:
            return kind(*(clean(part) if isinstance(part, str) else part for part in error.args[:2]))
        made: BaseException = kind.__new__(kind)
        str(made), repr(made)
    except Exception:  # noqa: BLE001  a class that can't be made without what it quotes
        return ForeignError(clean(f"{kind.__module__}.{kind.__qualname__}"))
    return made


def trace_of(error: BaseException) -> str:
    """Return where an exception comes from, for a bug report: its class and the lines of code, and no value."""
    import traceback

    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


def bare(error: BaseException) -> BaseException:
    """Return a copy of `error` as `without_frames` leaves it; for an event, whose error is still on its way up."""
    import copy

    links: dict[int, BaseException] = {}

    def copied(link: BaseException | None) -> BaseException | None:
        if link is None or len(links) > 40:
            return None
        if id(link) not in links:
            made = copy.copy(link) if isinstance(link, KrauthError | ForeignError) else _stand_in(link)
            links[id(link)] = made
            made.__cause__, made.__context__ = copied(link.__cause__), copied(link.__context__)
            made.__suppress_context__ = link.__suppress_context__
        return links[id(link)]

    made = copied(error)
    assert made is not None
    return made
