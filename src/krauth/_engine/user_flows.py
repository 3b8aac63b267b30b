"""The other flows of steps: exchange a code, save a token from elsewhere, revoke, forget, introspect."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from .._oauth.authorization import prepare_code_request
from .._oauth.endpoints import TokenInfo, prepare_introspection_request, process_introspection_response
from .._values.exceptions import KrauthError, StoreConflict, TokenError, TokenStoreError
from .._values.record import Record
from .._values.token import Token
from .._values.value import replace
from .asking import ask, server_time
from .revoking import discard, revoke_token
from .rules import BACKOFF, MAX_POLL, NumberedToken, next_number, number_of
from .steps import Emit, Reread, Sleep
from .store_steps import StoreSteps

if TYPE_CHECKING:
    from .._oauth.authorization import AuthorizationRequest
    from .._oauth.client import OAuth2Credentials
    from .._oauth.credentials import Credentials
    from .._values.clock import Clock, Skews
    from .._values.secret import Secret
    from .._values.token import RefreshPolicy
    from .steps import Flow


class UserFlows:
    """The flows for one token. Each writes only under the lease, like a refresh, and returns the token in force."""

    __slots__ = ("_clock", "_credentials", "_policy", "_skew", "_store", "newest")

    def __init__(
        self, credentials: Credentials, policy: RefreshPolicy, clock: Clock, skew: Skews, newest: NumberedToken
    ) -> None:
        self._credentials, self._policy, self._clock, self._skew = credentials, policy, clock, skew
        self.newest = newest
        # A caller who sets, revokes or forgets a token means the entry in the store, so that its failure is told.
        self._store = StoreSteps(
            credentials, policy, clock, lambda: skew.settled(credentials.token_endpoint), requests=2, required=True
        )

    def exchange(self, client: OAuth2Credentials, code: Secret, request: AuthorizationRequest) -> Flow[NumberedToken]:
        """Exchange a code for a token and save it. The code is sent once: after an error it may be spent.

        Raises:
            TokenError: The server refused, failed or could not be reached; the user has to start again.
            AuthorizationRequired: Another process revoked the user's token meanwhile; the new one is revoked, too.
            TokenStoreError: The token could not be saved. It is revoked, where the server can, and never used.
        """
        yield from self._lease()
        now, identity = self._clock.time(), client.identity
        try:
            signed_at = server_time(client, self._clock, self._skew)
            message = prepare_code_request(client, code, request, signed_at).within(self._policy.attempt_timeout)
            response = yield from ask(client, self._clock, self._skew, message)
            token = client.process_token_response(response, now, None)
        except TokenError as error:
            successor = getattr(error, "refresh_token", None)
            if successor is None:
                yield from self._store.release()
                if error.may_be_the_secret:
                    yield Reread(client, identity)  # for the next sign-in: a code is never sent again
                raise _once(error) from error.__cause__
            # The code is spent, and there is a refresh token for it: the next call obtains the access token.
            token = Token("none", now, now, refresh_token=successor.reveal())
        except Exception:  # a module that is missing, a transport that returns no answer
            yield from self._store.release()
            raise
        try:
            newest = yield from self._put(Record(token))
        except KrauthError as error:
            yield from self._store.release()
            yield from discard(client, self._clock, self._skew, self._policy, token)
            if not isinstance(error, TokenStoreError):
                raise
            raise TokenStoreError(
                f"the user authorized, but the token could not be saved ({error}); once the store works again,"
                " let the user start again: the code is spent"
            ) from error
        yield Emit("authorized", token)
        if detail := client.missing_scope(token):
            yield Emit("narrowed", token, detail=detail)
        return newest

    def put(self, token: Token) -> Flow[NumberedToken]:
        """Save a token that was obtained elsewhere.

        Raises:
            TokenStoreError: It could not be saved, and is not used.
        """
        yield from self._lease()
        try:
            newest = yield from self._put(Record(token))
        except KrauthError:
            yield from self._store.release()
            raise
        yield Emit("authorized", token)
        return newest

    def revoke(self, client: OAuth2Credentials) -> Flow[NumberedToken]:
        """Revoke refresh and access token at the server, then in the store. What fails half-way can be repeated.

        It happens under the lease, so that no refresh elsewhere brings a new token into being meanwhile.

        Raises:
            KrauthError: It failed; the store still holds the token, so that it can be repeated.
        """
        yield from self._lease()
        try:
            newest = yield from self._put(Record(revoked_at=self._clock.time()), client)
        except KrauthError:
            yield from self._store.release()
            raise
        yield Emit("revoked")
        return newest

    def forget(self) -> Flow[NumberedToken]:
        """Drop the token here and in the store, without asking the server.

        Raises:
            TokenStoreError: The store still holds it.
        """
        yield from self._lease()
        try:
            return (yield from self._put(Record()))
        except KrauthError:
            yield from self._store.release()
            raise

    def _lease(self) -> Flow[None]:
        deadline = self._clock.monotonic() + self._policy.timeout
        while not (yield from self._store.acquire()):
            if self._clock.monotonic() >= deadline:
                raise TokenStoreError("another process has held the lease of this token all the while; call again")
            yield Sleep(MAX_POLL)

    def _put(self, record: Record, revoking: OAuth2Credentials | None = None) -> Flow[NumberedToken]:
        """Save a record with the next number: the user has just said that it replaces the stored one.

        Args:
            record: What to save.
            revoking: Whose newest token is revoked before that; `None`: none is.
        """
        begun_at, revoked = number_of(self._store.record, self.newest), None
        for attempt in range(self._policy.attempts):
            # Again after a conflict: the lease ended, and another process obtained a token meanwhile.
            if revoking is not None and (newest := self._newest().token) is not None and newest != revoked:
                yield from revoke_token(revoking, self._clock, self._skew, self._policy, newest)
                revoked = newest
            number = next_number(max(self.newest.number, number_of(self._store.record, self.newest)))
            proof, audience = self._credentials.binding()
            before = self._store.record
            # The server counts its token requests, whatever becomes of the tokens.
            pause = before.pause if before is not None and self._credentials.min_interval > 0 else None
            try:
                yield from self._store.save(
                    replace(record, number=number, pause=pause, proof=proof, audience=audience), release=True
                )
            except StoreConflict as error:
                yield Emit("conflict", detail=str(error))
                yield from self._lease()
                if record.token is not None and self._was_revoked(begun_at):
                    raise self._credentials.authorization_required("the token was revoked meanwhile") from None
            except TokenStoreError:
                if attempt + 1 == self._policy.attempts:
                    raise
                yield Sleep(BACKOFF * 2.0**attempt)
            else:
                return NumberedToken(record.token, number)
        raise TokenStoreError("other processes changed the entry again and again, so the token was not saved")

    def _newest(self) -> NumberedToken:
        record = self._store.record
        stored = NumberedToken(record.token if record is not None else None, number_of(record, self.newest))
        return stored if stored.token is not None and stored.number >= self.newest.number else self.newest

    def _was_revoked(self, since: int) -> bool:
        """Whether a token was revoked after the entry had the number `since`. A revocation wins."""
        record = self._store.record
        return record is not None and record.revoked_at is not None and number_of(record, self.newest) > since


def introspect(
    credentials: OAuth2Credentials, clock: Clock, skew: Skews, policy: RefreshPolicy, token: str, hint: str
) -> Flow[TokenInfo]:
    """Ask the server about a token.

    Raises:
        TokenError: The server refused, failed or could not be reached.
    """
    now = server_time(credentials, clock, skew)
    message = prepare_introspection_request(credentials, token, hint, now).within(policy.attempt_timeout)
    response = yield from ask(credentials, clock, skew, message)
    return process_introspection_response(credentials, response, clock.time())


def _once(error: TokenError) -> TokenError:
    """Return the error with a text for codes. A refresh is repeated by the library; a code is not."""
    once = copy.copy(error)
    words = str(error).replace("; this is tried again by itself", "")
    once.args = (f"{words}; the code is not sent again, since it may be spent: let the user start again",)
    once.transient = False
    return once
