"""Revocation requests (RFC 7009) as steps: asked for by the user, or to get rid of a token that can't be kept."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .._oauth.client import OAuth2Credentials
from .._oauth.endpoints import prepare_revocation_request, process_revocation_response
from .._values.exceptions import InvalidGrantError, KrauthError, TokenEndpointError
from .asking import ask, server_time

if TYPE_CHECKING:
    from .._oauth.credentials import Credentials
    from .._values.clock import Clock, Skews
    from .._values.token import RefreshPolicy, Token
    from .steps import Flow


def revoke_token(
    credentials: OAuth2Credentials, clock: Clock, skew: Skews, policy: RefreshPolicy, token: Token
) -> Flow[None]:
    """Revoke the refresh token and the access token at the server.

    Raises:
        KrauthError: The server refused, failed or could not be reached.
    """
    for value, hint in ((token.refresh_token, "refresh_token"), (token.access_token, "access_token")):
        if value is None:
            continue
        now = server_time(credentials, clock, skew)
        message = prepare_revocation_request(credentials, value, hint, now).within(policy.attempt_timeout)
        response = yield from ask(credentials, clock, skew, message)
        try:
            process_revocation_response(credentials, response, clock.time())
        except InvalidGrantError:
            pass  # some servers say so of a token that is over already, where RFC 7009 wants a 200
        except TokenEndpointError as error:
            if error.error != "unsupported_token_type" or hint != "access_token":
                raise  # §2.2.1; a server may revoke refresh tokens alone


def discard(credentials: Credentials, clock: Clock, skew: Skews, policy: RefreshPolicy, token: Token) -> Flow[None]:
    """Revoke a token that can't be kept, where the server can; a failure changes nothing."""
    if isinstance(credentials, OAuth2Credentials) and credentials.revocation_endpoint is not None:
        with contextlib.suppress(KrauthError):
            yield from revoke_token(credentials, clock, skew, policy, token)
