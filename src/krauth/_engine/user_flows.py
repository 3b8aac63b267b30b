"""Flows of steps besides renewal: exchange a code, revoke, introspect. Driven like `_flow`, each sent once."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

from .._oauth.authorization import prepare_code_request
from .._oauth.endpoints import (
    TokenInfo,
    prepare_introspection_request,
    prepare_revocation_request,
    process_introspection_response,
    process_revocation_response,
)
from .._values.exceptions import InvalidGrantError, KrauthError, TokenEndpointError, TokenError, TokenStoreError
from .._values.record import Record
from ..stores import ANY
from .refresh import BACKOFF, LEASE_MARGIN, MAX_POLL, REMEMBER_DEAD, dead_at
from .steps import Acquire, Emit, Load, Release, Save, Send, Sleep, Step

if TYPE_CHECKING:
    from collections.abc import Generator

    from .._oauth.authorization import AuthorizationRequest
    from .._oauth.client import OAuth2Credentials
    from .._values.clock import Clock
    from .._values.messages import HTTPResponse
    from .._values.token import RefreshPolicy, Token


def exchange(
    credentials: OAuth2Credentials, clock: Clock, policy: RefreshPolicy, code: str, request: AuthorizationRequest
) -> Generator[Step, Any, Token]:
    """Exchange a code for a token and save it. The code is sent once, whatever comes: it may be spent.

    Raises:
        TokenError: The server refused, failed or could not be reached; the user has to start again.
        TokenStoreError: The token could not be saved. It is revoked, where the server can, and used by nobody.
    """
    now = clock.time()
    message = prepare_code_request(credentials, code, request)
    message = message.within(policy.attempt_timeout)
    try:
        response: HTTPResponse = yield Send(message)
        token = credentials.process_token_response(response, now, None)
    except TokenError as error:
        raise _once(error) from error.__cause__
    for attempt in range(policy.attempts):
        try:
            # Whatever is there is replaced: the user has just said so.
            yield Save(Record(token).to_text(), ANY, None, dead_at(token))
            break
        except TokenStoreError as error:
            if attempt + 1 == policy.attempts:
                yield from _discard(credentials, clock, policy, token)
                raise TokenStoreError(
                    f"the user authorized, but the token could not be saved ({error}); once the store works again,"
                    " let the user start again: the code is spent"
                ) from error
        yield Sleep(BACKOFF * 2.0**attempt)
    yield Emit("authorized", token)
    if detail := credentials.missing_scope(token):
        yield Emit("narrowed", token, detail=detail)
    return token


def _once(error: TokenError) -> TokenError:
    """Return the error with what is true of a code besides, and not of a renewal, which is repeated by itself."""
    once = copy.copy(error)
    words = str(error).replace("; this is tried again by itself", "")
    once.args = (f"{words}; the code is not sent again, since it may be spent: let the user start again",)
    once.transient = False
    return once


def _discard(
    credentials: OAuth2Credentials, clock: Clock, policy: RefreshPolicy, token: Token
) -> Generator[Step, Any, None]:
    """Revoke, if that is possible, a token that could not be saved: nobody would ever use or revoke it."""
    if credentials.revocation_endpoint is not None:
        with contextlib.suppress(KrauthError):
            yield from _revoke_one(credentials, clock, policy, token.refresh_token, "refresh_token")
            yield from _revoke_one(credentials, clock, policy, token.access_token, "access_token")


def revoke(
    credentials: OAuth2Credentials, clock: Clock, policy: RefreshPolicy, current: Token | None
) -> Generator[Step, Any, None]:
    """Revoke refresh and access token at the server, then in the store. What fails half-way can be repeated.

    Under the lease, so that no renewal elsewhere brings a new token into being meanwhile.

    Raises:
        KrauthError: It failed; the store still holds the token, so that it can be repeated.
    """
    deadline = clock.monotonic() + policy.timeout
    while (lease := (yield Acquire(2 * policy.attempt_timeout + LEASE_MARGIN))) is None:
        if clock.monotonic() >= deadline:
            raise TokenStoreError("another process has been renewing this token all the while; revoke it again")
        yield Sleep(MAX_POLL)
    try:
        stored = yield Load()
        token = (Record.from_text(stored.value).token if stored else None) or current
        if token is not None:
            yield from _revoke_one(credentials, clock, policy, token.refresh_token, "refresh_token")
            yield from _revoke_one(credentials, clock, policy, token.access_token, "access_token")
        now = clock.time()
        yield Save(Record(revoked_at=now).to_text(), ANY, lease, now + REMEMBER_DEAD)
    except KrauthError:
        yield Release(lease)
        raise
    yield Release(lease)
    yield Emit("revoked")


def _revoke_one(
    credentials: OAuth2Credentials, clock: Clock, policy: RefreshPolicy, value: str | None, hint: str
) -> Generator[Step, Any, None]:
    if value is None:
        return
    message = prepare_revocation_request(credentials, value, hint)
    message = message.within(policy.attempt_timeout)
    response: HTTPResponse = yield Send(message)
    try:
        process_revocation_response(credentials, response, clock.time())
    except InvalidGrantError:
        pass  # some servers say so of a token that is over already, where RFC 7009 wants a 200
    except TokenEndpointError as error:
        if error.error != "unsupported_token_type" or hint != "access_token":
            raise  # §2.2.1; a server may revoke refresh tokens alone


def introspect(
    credentials: OAuth2Credentials, clock: Clock, policy: RefreshPolicy, token: str, hint: str
) -> Generator[Step, Any, TokenInfo]:
    """Ask the server about a token.

    Raises:
        TokenError: The server refused, failed or could not be reached.
    """
    message = prepare_introspection_request(credentials, token, hint)
    message = message.within(policy.attempt_timeout)
    response: HTTPResponse = yield Send(message)
    return process_introspection_response(credentials, response, clock.time())
