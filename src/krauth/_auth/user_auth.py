"""UserAuth: sign-in, revocation and introspection; base of the OAuth classes in `meloming` and `oauth2`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .._values.exceptions import AuthorizationError, ConfigurationError
from .._values.secret import Secret, unseen
from .origin_auth import OriginAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._engine.run import Run
    from .._oauth.authorization import AuthorizationRequest
    from .._oauth.client import OAuth2Credentials
    from .._oauth.credentials import Credentials
    from .._oauth.endpoints import TokenInfo
    from .._values.token import RefreshPolicy, Token
    from ..stores import TokenStore


class UserAuth(OriginAuth):
    """The OAuth 2.0 requests around API calls: let a user authorize, revoke a token, introspect a token."""

    #: This object's own credentials. The source's are shared by all objects with the same client and user; the object
    #: that made the source may have no redirect_uri, or other endpoints.
    _client: OAuth2Credentials

    def _set_source(
        self,
        credentials: Credentials,
        store: TokenStore | str | None,
        refresh: RefreshPolicy | None,
        token_transport: object,
    ) -> None:
        from .._oauth.client import OAuth2Credentials

        if not isinstance(credentials, OAuth2Credentials):
            raise ConfigurationError("a UserAuth needs OAuth2Credentials, or a subclass")
        self._client = credentials
        super()._set_source(credentials, store, refresh, token_transport)

    def authorization_request(
        self, *, code_challenge_method: str = "S256", parameters: Mapping[str, str] | None = None
    ) -> AuthorizationRequest:
        """Begin a sign-in: send the user to its `.url`, and keep it in their session until they come back.

        Args:
            code_challenge_method: `"S256"`; `"plain"` only for a server that can do no better (RFC 7636 §4.2).
            parameters: More parameters for the server (`prompt`, `login_hint`, …).

        Raises:
            ConfigurationError: `user`, `redirect_uri` or `authorization_endpoint` is missing.
        """
        from .._oauth.authorization import prepare_authorization_request

        return prepare_authorization_request(
            self._client, code_challenge_method=code_challenge_method, parameters=parameters
        )

    def authorize(self, callback_url: str, request: AuthorizationRequest | Mapping[str, object]) -> Token:
        """End a sign-in: exchange the code in the callback for a token, which is saved before it is returned.

        Args:
            callback_url: The URL the user came back to, with its query.
            request: The `AuthorizationRequest` of this user, or its `to_dict()`; take it out of the user's session.

        Raises:
            StateMismatch: The callback belongs to another sign-in.
            AccessDenied: The user said no.
            AuthorizationError: The server answered with another error, or this callback was used before.
            TokenError: The code could not be exchanged; it is never sent again, the user has to start anew.
            TokenStoreError: The token could not be saved.
        """
        back, kept = unseen(callback_url), unseen(request)
        del callback_url, request  # or a traceback with local variables would show code and verifier
        self._warn_of_blocking("authorize", stacklevel=3)
        return _there(self._exchange(back, kept).get(self._tokens.policy))

    async def aauthorize(self, callback_url: str, request: AuthorizationRequest | Mapping[str, object]) -> Token:
        """End a sign-in without blocking; see `authorize`. Once begun it goes on, also when this is cancelled."""
        back, kept = unseen(callback_url), unseen(request)
        del callback_url, request
        return _there(await self._exchange(back, kept).aget(self._tokens.policy))

    def revoke(self) -> None:
        """Revoke the token at the server and forget it, here and in every process that shares the store.

        Another process may still hold the token in memory. It stops when the server refuses the token, or at its next
        refresh. If `revoke()` fails half-way, it can be called again.

        Raises:
            ConfigurationError: The server has no revocation endpoint.
            KrauthError: It could not be revoked; nothing was forgotten.
        """
        self._warn_of_blocking("revoke", stacklevel=3)
        self._revocation().get(self._tokens.policy)

    async def arevoke(self) -> None:
        """Revoke the token without blocking; see `revoke`. Once begun it goes on, also when this is cancelled."""
        await self._revocation().aget(self._tokens.policy)

    def introspect(self) -> TokenInfo:
        """Ask the server about the current token, obtaining one if there is none.

        Raises:
            ConfigurationError: The server has no introspection endpoint.
            TokenError: The server refused, failed or could not be reached.
        """
        self._warn_of_blocking("introspect", stacklevel=3)
        _required(self._client.introspection_endpoint, "introspection")
        return self._introspection(self.token()).get(self._tokens.policy)

    async def aintrospect(self) -> TokenInfo:
        """Ask the server about the current token without blocking; see `introspect`."""
        _required(self._client.introspection_endpoint, "introspection")
        return await self._introspection(await self.atoken()).aget(self._tokens.policy)

    def _exchange(self, back: Secret, kept: Secret) -> Run[Token | None]:
        from .._oauth.authorization import AuthorizationRequest, process_authorization_response

        request: Any = kept.reveal() if isinstance(kept.reveal(), AuthorizationRequest) else None
        if request is None:
            request = AuthorizationRequest.from_dict(kept)
        code = process_authorization_response(self._client, back, request)
        if not _first_use(request.state):
            raise AuthorizationError("this callback was used before: a code is good for once; let the user start again")
        try:
            return self._tokens.perform(self._transport, lambda flows: flows.exchange(self._client, code, request))
        except ConfigurationError:  # there is no way to the server from here: nothing was sent
            _used_states.pop(request.state, None)
            raise

    def _revocation(self) -> Run[Token | None]:
        _required(self._client.revocation_endpoint, "revocation")
        return self._tokens.perform(self._transport, lambda flows: flows.revoke(self._client))

    def _introspection(self, token: Token) -> Run[TokenInfo]:
        from .._engine.process import skew
        from .._engine.user_flows import introspect

        source = self._tokens
        flow = introspect(self._client, source.clock, skew, source.policy, token.access_token, "access_token")
        return source.ask(self._transport, flow)


def _there(token: Token | None) -> Token:
    """Return the token of a sign-in: that flow ends with one, or with an error."""
    assert token is not None
    return token


def _required(endpoint: str | None, name: str) -> None:
    if endpoint is None:
        raise ConfigurationError(f"this server has no {name} endpoint configured: give {name}_endpoint=…")


def _first_use(state: str) -> bool:
    """Whether a sign-in ends for the first time in this process; a web app also takes it out of the session."""
    with _used_lock:
        if state in _used_states:
            return False
        _used_states[state] = None
        while len(_used_states) > 10_000:
            del _used_states[next(iter(_used_states))]
        return True


#: The `state` of every sign-in that ended lately, oldest first.
_used_states: dict[str, None] = {}
_used_lock = threading.Lock()


def reset() -> None:
    """Forget which sign-ins ended; for tests."""
    with _used_lock:
        _used_states.clear()
