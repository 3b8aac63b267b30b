"""What the auth classes of all stacks share: settings, origins, tokens, and every decision about a request.

An adapter's base class derives from `OriginAuth` and does to a request what its library wants; a provider's
`…AuthBase` (in `naver`, `meloming`, `oauth2`) derives from it too and brings constructor and methods; the public
classes are both.
"""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from .._oauth.credentials import Verdict
from .._values.exceptions import ConfigurationError
from .._values.origin import Origin, make_origin, parse_origin, url_authorities, url_prefixes, url_triples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from .._engine.snapshot import Snapshot
    from .._engine.source import TokenSource
    from .._oauth.credentials import Credentials
    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.token import RefreshPolicy, Token
    from ..stores import TokenStore
    from .transport import Transport

#: Bytes of a 401's body that are read at most to find the provider's code.
MAX_JUDGED_BODY = 65536
#: Seconds that a caller grants a renewal beyond its own deadline, so that its error comes first: it says more.
GRACE = 1.0


class OriginAuth:
    """A credential that belongs to certain origins. Immutable; may be shared by threads, tasks and clients."""

    _source: TokenSource | None = None
    #: The source, where every request wants its token and nothing else. Adapters read its snapshot without a call: the
    #: hot path, written out in each of them, since a call would cost as much as all the rest of it.
    _always: TokenSource | None = None
    _transport: Transport
    _origins: tuple[Origin, ...] = ()
    _prefixes: tuple[str, ...]
    _authorities: frozenset[tuple[str, str]]
    _triples: frozenset[tuple[str, str, int | None]]

    #: Names of header fields that `extra_headers` sets besides `Authorization`.
    extra_names: tuple[str, ...] = ()
    #: Methods that are sent without a token, unless the server wants one.
    anonymous_methods: frozenset[str] = frozenset()

    # What an adapter fills in.

    #: How token requests travel over the adapter's own library.
    transport_class: ClassVar[type[Transport]]

    # Settings.

    def _set_origins(self, origins: tuple[Origin, ...]) -> None:
        self._origins = origins
        self._prefixes = url_prefixes(origins)
        self._authorities = url_authorities(origins)
        self._triples = url_triples(origins)

    def _set_source(
        self,
        credentials: Credentials,
        store: TokenStore | str | None,
        refresh: RefreshPolicy | None,
        token_transport: object,
    ) -> None:
        # Here and not above: whoever imports an adapter need not use it at once.
        from .._engine.source import TokenSource
        from .._plugins import open_store
        from .._values.token import RefreshPolicy

        if refresh is not None and not isinstance(refresh, RefreshPolicy):
            raise ConfigurationError("refresh must be a krauth.RefreshPolicy")
        self._set_origins(credentials.origins)
        self._transport = self.transport_class.over(token_transport)
        self._source = TokenSource.shared(credentials, open_store(store), refresh)
        self._always = None if self.anonymous_methods or self.extra_names else self._source
        if self._source.policy.keep_warm:
            self._source.keep_warm(self)

    # Tokens.

    def token(self) -> Token:
        """Return the current token, obtaining one if there is none; blocks while that takes.

        Raises:
            TokenError: No token could be had.
            TokenStoreError: The token store failed, and cannot be done without.
        """
        return (self._tokens.peek(self) or self.obtain()).token

    async def atoken(self) -> Token:
        """Return the current token, obtaining one if there is none; see `token`."""
        return (self._tokens.peek(self) or await self.aobtain()).token

    def obtain(self, *, cure: str | None = None) -> Snapshot:
        """Wait for a token, or for another than the access token `cure` that was refused."""
        self._transport.check_blocking()
        run = self._tokens.start(self, cure=cure)
        del cure  # or a traceback with local variables would show it
        snapshot: Snapshot = run.wait(self._tokens.policy.timeout + GRACE)
        return snapshot

    async def aobtain(self, *, cure: str | None = None) -> Snapshot:
        """Await a token, or another than the access token `cure` that was refused."""
        run = self._tokens.start(self, cure=cure)
        del cure
        snapshot: Snapshot = await run.wait_async(self._tokens.policy.timeout + GRACE)
        return snapshot

    def open_transport(self) -> Callable[[HTTPRequest], HTTPResponse]:
        """Lend the engine the way to the token endpoint."""
        return self._transport.open()

    @property
    def _tokens(self) -> TokenSource:
        if self._source is None:
            raise ConfigurationError(f"{type(self).__name__} holds no token")
        return self._source

    # Decisions about a request.

    def covers_url(self, url: str) -> bool:
        """Whether the credential may be sent to this URL."""
        return url.startswith(self._prefixes) or parse_origin(url) in self._origins

    def covers(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether the credential may be sent to this origin."""
        return (scheme, host, port) in self._triples or make_origin(scheme, host, port) in self._origins

    def peek(self, method: str, replayable: bool) -> Snapshot | bool:
        """Return the token for a request; `False`: one has to be obtained; `True`: none is wanted.

        A body that can be sent only once gets a token with life left: were it refused, the call would be lost.
        """
        source = self._source
        if source is None or method in self.anonymous_methods:
            return True
        return (source.peek(self) if replayable else source.peek_with_life_left(self)) or False

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the header fields, besides `Authorization`, for one sending of a request."""
        return {}

    def set_extra_headers(self, headers: MutableMapping[str, str], method: str, url: str) -> None:
        """Set those header fields, if they are named: what is not could not be taken off again for a foreign origin."""
        if self.extra_names:
            fields = self.extra_headers(method, url)
            for name in fields:  # a third of what `update` costs
                headers[name] = fields[name]

    def judge(self, method: str, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Say what a refused call means, and tell whoever observes."""
        if self._source is None:
            return Verdict(False)
        verdict = self._source.credentials.judge(method, status, headers, body)
        code = f"{status} {verdict.code}" if verdict.code else str(status)
        self._source.emit("refused", detail=code + (f": {verdict.remedy}" if verdict.remedy else ""), aside=True)
        return verdict

    def refused_again(self) -> None:
        """The repeated request was refused too: the token is not what is wrong."""
        if self._source is not None:
            self._source.refused_again()

    def not_resent(self) -> None:
        """Say that a request was refused, and that its body, a stream that is spent, kept it from being repeated."""
        if self._source is not None:
            self._source.emit(
                "not_resent",
                detail="its body was a stream that can be read only once; the next call will use the new token",
                aside=True,
            )

    # What must not happen to a credential.

    def __repr__(self) -> str:
        where = ", ".join(str(origin) for origin in self._origins)
        state = f" {self._source!r}" if self._source is not None else ""
        return f"<{type(self).__module__.partition('.')[0]}.{type(self).__name__} for {where}{state}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is not pickled: it holds credentials. Make it anew where it is needed,"
            " for example with from_env(); a store URL lets processes share the token"
        )


@atexit.register
def _at_exit() -> None:
    # Registered with this import and not with that of `_source`, which comes later: handlers that were registered in
    # between run before it, and may still want a token.
    if (source := sys.modules.get("krauth._engine.source")) is not None:
        source.at_exit()


def bearer(header: str | bytes | None) -> str | None:
    """Return the access token in an `Authorization` header field, or `None`."""
    text = header.decode("latin-1") if isinstance(header, bytes) else header
    return text[7:] if text is not None and text.startswith("Bearer ") else None


def is_seekable(file: object) -> bool:
    """Whether a body is a file that can be read again from where it began."""
    try:
        return bool(file.seekable())  # type: ignore[attr-defined]
    except (AttributeError, ValueError, OSError):
        return False
