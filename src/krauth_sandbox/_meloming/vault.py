"""Meloming's codes and tokens: for whom they are, for which scope, and until when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .._ground.reply import wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._ground.clock import TokenClock
    from .._ground.reply import Wrong

# "Access Token | 1시간", "Refresh Token | 7일", in seconds. A code's minute is the emulator's own choice
# (RFC 6749 §4.1.2 allows ten).
ACCESS_LIFETIME: Final = 3_600
REFRESH_LIFETIME: Final = 7 * 86_400
CODE_LIFETIME: Final = 60
#: How many revoked tokens are remembered, so that a refusal can say so.
_REMEMBERED: Final = 1_000

# RFC 7636 §4.1: 43 to 128 unreserved characters.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), separated by single spaces.
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")


class OAuthError(Exception):
    """An error of RFC 6749 §5.2; its text never holds what the client sent."""

    def __init__(self, error: str, description: str, status: int = 400, problem: Wrong | None = None) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.problem = problem or wrong(description)
        """The problem; more exact than the description where the client must not learn it."""


def check_scope(scope: str, allowed: frozenset[str] | None) -> str:
    """Return the scope as it was written, or raise invalid_scope."""
    if not _SCOPE.fullmatch(scope):
        raise OAuthError("invalid_scope", "scope is malformed")
    if allowed is not None and not set(scope.split(" ")) <= allowed:
        raise OAuthError("invalid_scope", "scope names something this server does not know")
    return scope


@dataclass(slots=True, eq=False)
class Family:
    """Everything that came of one consent, or of one client credentials grant (then without a username)."""

    client_id: str
    username: str | None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """An access token."""

    value: str = field(repr=False)
    family: Family
    scope: str
    expires_at: float


@dataclass(slots=True)
class Refresh:
    """A refresh token; `spent` once it has been rotated."""

    value: str = field(repr=False)
    family: Family
    scope: str
    expires_at: float
    spent: bool = False


@dataclass(slots=True)
class Code:
    """An authorization code and everything it is bound to."""

    value: str = field(repr=False)
    family: Family
    redirect_uri: str
    scope: str
    challenge: str | None = field(repr=False)
    method: str
    expires_at: float
    spent: bool = False


class Vault:
    """Issue, find, spend and revoke. Not locked: its owner holds a lock around every call."""

    def __init__(self, clock: TokenClock, speed: Callable[[], float]) -> None:
        self._clock = clock
        self._speed = speed
        self._access: dict[str, Access] = {}
        self._refresh: dict[str, Refresh] = {}
        self._codes: dict[str, Code] = {}
        self._revoked: dict[str, None] = {}

    def clear(self) -> None:
        """Make every code and token unusable."""
        self.clear_access()
        self._refresh.clear()
        self._codes.clear()

    def clear_access(self) -> None:
        """Make every access token unusable."""
        for value in self._access:
            self._remember_revoked(value)
        self._access.clear()

    def remaining(self, token: Access | Refresh) -> float:
        """Return the seconds until the token expires."""
        return token.expires_at - self._clock.now()

    # ---- issuing -----------------------------------------------------------------------------------------

    def issue_access(self, family: Family, scope: str, lifetime: float = ACCESS_LIFETIME) -> Access:
        """Issue an access token for `lifetime` seconds; it looks like the document's sample, but is opaque."""
        value = f"eyJhbGciOiJIUzM4NCJ9.{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(24)}"
        token = Access(value, family, scope, self._after(lifetime))
        self._access[value] = token
        return token

    def issue_refresh(self, family: Family, scope: str) -> Refresh:
        """Issue a refresh token."""
        token = Refresh(secrets.token_urlsafe(32), family, scope, self._after(REFRESH_LIFETIME))
        self._refresh[token.value] = token
        return token

    def issue_code(
        self, client_id: str, username: str, redirect_uri: str, scope: str, challenge: str | None, method: str
    ) -> Code:
        """Issue an authorization code for a consent that was just given."""
        family = Family(client_id, username)
        expires_at = self._after(CODE_LIFETIME)
        code = Code(secrets.token_urlsafe(24), family, redirect_uri, scope, challenge, method, expires_at)
        self._codes[code.value] = code
        return code

    # ---- spending ----------------------------------------------------------------------------------------

    def spend_code(self, value: str, client_id: str, redirect_uri: str | None, verifier: str | None) -> Code:
        """Return the code if it may be exchanged; from its own client, any attempt spends it."""
        code = self._codes.get(value)
        if code is None or code.family.client_id != client_id:
            raise OAuthError("invalid_grant", "the code is unknown or belongs to another client")
        if code.spent:
            # RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST
            # deny the request and SHOULD revoke […] all tokens previously issued based on that code."
            code.family.revoked = True
            raise OAuthError("invalid_grant", "the code was used before; its tokens are revoked")
        code.spent = True
        if code.expires_at <= self._clock.now():
            raise OAuthError("invalid_grant", "the code has expired")
        if redirect_uri != code.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not the one the code was issued to")
        _check_verifier(code, verifier)
        return code

    def find_refresh(self, value: str, client_id: str, *, reuse_detection: bool) -> Refresh:
        """Return the refresh token if it may be used; a spent one may take its family with it."""
        token = self._refresh.get(value)
        if token is None or token.family.client_id != client_id:
            raise OAuthError("invalid_grant", "the refresh token is unknown or belongs to another client")
        if token.spent and reuse_detection:
            # RFC 9700 §4.14.2: a replayed refresh token invalidates the active one as well.
            token.family.revoked = True
        if token.spent or token.family.revoked or token.expires_at <= self._clock.now():
            raise OAuthError("invalid_grant", "the refresh token was used before, revoked, or has expired")
        return token

    # ---- looking up and revoking -------------------------------------------------------------------------

    def live_access(self, value: str) -> Access | None:
        """Return the access token if it is good now."""
        token = self._access.get(value)
        if token is None or token.family.revoked or token.expires_at <= self._clock.now():
            return None
        return token

    def access_fault(self, value: str) -> Wrong:
        """Return why an access token is not good."""
        token = self._access.get(value)
        if value in self._revoked or (token is not None and token.family.revoked):
            return wrong("The token was revoked.")
        return wrong("The token was not issued here.") if token is None else wrong("The token has expired.")

    def live(self) -> list[Access | Refresh]:
        """Return the tokens that are good now, oldest first of each kind."""
        found: list[Access | Refresh | None] = [self.live_access(value) for value in self._access]
        found += [self.live_refresh(value) for value in self._refresh]
        return [token for token in found if token is not None]

    def live_refresh(self, value: str) -> Refresh | None:
        """Return the refresh token if it is good now."""
        token = self._refresh.get(value)
        if token is None or token.spent or token.family.revoked or token.expires_at <= self._clock.now():
            return None
        return token

    def revoke(self, value: str) -> None:
        """Revoke an access token alone, or a refresh token with its family; unknown ones are no error."""
        if self._access.pop(value, None) is not None:
            self._remember_revoked(value)
        # RFC 7009 §2.1: "If the particular token is a refresh token […] the authorization server SHOULD also
        # invalidate all access tokens based on the same authorization grant."
        token = self._refresh.get(value)
        if token is not None:
            token.family.revoked = True

    def _remember_revoked(self, value: str) -> None:
        self._revoked[value] = None
        if len(self._revoked) > _REMEMBERED:
            del self._revoked[next(iter(self._revoked))]

    def _after(self, lifetime: float) -> float:
        return self._clock.now() + lifetime / self._speed()


def _check_verifier(code: Code, verifier: str | None) -> None:
    if code.challenge is None:
        if verifier is not None:
            # RFC 9700 §2.1.1: a verifier without a challenge means that the challenge was removed on the way.
            raise OAuthError(
                "invalid_grant", "code_verifier was sent, but the code was issued without a code_challenge"
            )
        return
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        raise OAuthError("invalid_grant", "code_verifier is missing or malformed")
    derived = verifier
    if code.method == "S256":
        # RFC 7636 §4.6: BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) == code_challenge
        digest = hashlib.sha256(verifier.encode("ascii")).digest()
        derived = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    if not hmac.compare_digest(derived.encode(), code.challenge.encode()):
        raise OAuthError("invalid_grant", "code_verifier does not match the code_challenge")
