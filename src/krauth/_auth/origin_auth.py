"""What the auth classes of all stacks share: settings, origins, tokens, and every decision about a request.

Seldom needed parts are in other modules, which are loaded late: `refusal`, `other_clients`, `plain_http`, `telling`,
`api_clock`.

An adapter's base class derives from `AuthCore` and does to a request what its library wants. A provider's `…AuthBase`
(in `naver`, `meloming`, `oauth2`) derives from `OriginAuth` and brings constructor and methods. The public classes are
both. `OriginAuth` adds nothing to `AuthCore`: it exists so that a class may name its two bases in either order.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from .._values.checks import DEFAULT_JUDGED
from .._values.exceptions import ConfigurationError
from .._values.origin import Origin, make_origin, parse_origin, url_authorities, url_prefixes, url_triples
from .._values.secret import Secret, hide, unseen
from .settings import Fixed, FixedFields, FixedURL

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import TypeVar

    from .._engine.run import Run
    from .._engine.snapshot import Snapshot
    from .._engine.source import TokenSource
    from .._oauth.credentials import Credentials, ErrorTable, Verdict
    from .._oauth.error_table import FieldNames
    from .._values.event import Kind
    from .._values.token import RefreshPolicy, Token
    from ..stores import TokenStore
    from .refusal import Refusal
    from .settings import Asking, Resolver
    from .transport import Transport

    T = TypeVar("T")

#: Seconds that reading this much may take, for a credential without a `RefreshPolicy`.
JUDGING_TIME = 10.0
#: One JSON text after the other, without a last one: not held up to be looked into.
JSON_STREAMS = frozenset(
    f"application/{name}" for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonlines", "json-seq", "stream+json")
)
AUTHORIZATION, BEARER = "Authorization", "Bearer"
#: What an adapter gives for a body that can't be had whole.
ONE_SHOT = object()

_warned_blocking = False


class AuthCore:
    """A credential that belongs to certain origins. Immutable; may be shared by threads, tasks and clients."""

    _source: TokenSource | None = None
    #: The source, where every request wants its token and nothing else. Adapters read its snapshot without a call: the
    #: hot path, written out in each of them, since a call would cost as much as all the rest of it.
    _token_only: TokenSource | None = None
    #: The same where header fields that never change go along with the token (`_fixed`).
    _with_fixed: TokenSource | None = None
    #: Whether a refused answer says anything about this credential that could be acted on.
    _judges: bool = False
    #: The header fields of `extra_headers`, where they are the same for every request.
    _fixed: FixedFields | None = None
    #: The request that `refused` gave new fields for last, and those fields' token.
    _repeated: tuple[str, str, Snapshot | None] | None = None
    _transport: Transport
    _origins: tuple[Origin, ...] = ()
    _prefixes: tuple[str, ...]
    _authorities: frozenset[tuple[str, str]]
    _triples: frozenset[tuple[str, str, int | None]]
    _warned: frozenset[Origin | None] = frozenset()
    _base_url: str = ""

    #: Where the API is: the URL that the paths of its documentation are added to, without a trailing slash.
    base_url: str = FixedURL(lambda auth: auth._base_url, "make a new auth object with base_url=…")  # type: ignore[assignment]
    #: Where tokens are kept, and how token requests travel; `None` for a credential without tokens.
    store = Fixed(lambda auth: auth._source and auth._source.store)
    token_transport = Fixed(lambda auth: getattr(auth, "_transport", None))
    #: Names of the header fields that `extra_headers` sets. The token's field is not among them.
    extra_names: tuple[str, ...] = ()
    #: Whether `extra_headers` gives the same for every request; it is then called once.
    fixed_headers: bool = False
    #: Whether `extra_headers` wants the request's body, as bytes, as its third argument.
    signs_body: bool = False
    #: Methods that are sent without a token, unless the server wants one.
    anonymous_methods: frozenset[str] = frozenset()
    #: The header field that carries the token, and what stands before the token in it.
    token_header: str = AUTHORIZATION
    token_scheme: str = BEARER
    #: See `Credentials`, whose values count where a class leaves these as they are.
    judged_statuses: frozenset[int] = DEFAULT_JUDGED
    judged_header: str | None = None
    judged_json: bool = False
    #: For a credential without tokens: what refusals mean, and where their codes stand (see `Credentials`).
    errors: ClassVar[ErrorTable] = {}
    token_fields: ClassVar[FieldNames] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "extra_headers" in vars(cls) and "fixed_headers" not in vars(cls):
            cls.fixed_headers = False  # the setting of a base class is about the method of that class

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Refuse a request: a client that was handed the class calls it as it would call an object of it."""
        if args and hasattr(args[0], "headers") and hasattr(args[0], "url"):
            raise ConfigurationError(
                f"a client was handed the class {cls.__name__} instead of an object: make one, {cls.__name__}(…) or"
                f" {cls.__name__}.from_env()"
            )
        return super().__new__(cls)

    # What an adapter fills in.

    @classmethod
    def transport_class(cls) -> type[Transport]:
        """Return how token requests travel over the adapter's own library; an API key needs no such class."""
        raise NotImplementedError

    #: `socket.getaddrinfo`, from the adapters: the core opens no socket and asks no resolver.
    resolve: ClassVar[Resolver | None] = None

    # Settings.

    def _set_origins(self, origins: tuple[Origin, ...]) -> None:
        for origin in origins:
            if origin.scheme == "http":
                self._check_plain_http(origin)
        if not self.base_url and origins:
            self.base_url = str(origins[0])
        self._origins = origins
        self._prefixes = url_prefixes(origins)
        self._authorities = url_authorities(origins)
        self._triples = url_triples(origins)
        if self._source is None:
            self._judges = bool(self.errors) or type(self).judge is not AuthCore.judge
        if min(self.judged_statuses, default=401) < 300 and not (self.judged_header or self.judged_json):
            raise ConfigurationError(
                f"{type(self).__name__} judges answers with a status below 300: set judged_header to the name of a"
                " header field that only a refusal has, or judged_json = True to judge them by their JSON body"
            )

    def _check_plain_http(self, origin: Origin) -> None:
        from .plain_http import check_plain_http

        check_plain_http(origin, type(self).resolve)

    def _set_source(
        self,
        credentials: Credentials,
        store: TokenStore | str | None,
        refresh: RefreshPolicy | None,
        token_transport: object,
    ) -> None:
        # Imported here, so that `import krauth_requests` stays fast for programs that do not use it at once.
        from .._engine.source import TokenSource
        from .._plugins import open_store
        from .._values.clock import SYSTEM
        from .._values.token import RefreshPolicy

        if refresh is not None and not isinstance(refresh, RefreshPolicy):
            raise ConfigurationError("refresh must be a krauth.RefreshPolicy")
        for name in ("judged_statuses", "judged_header", "judged_json"):
            theirs = getattr(credentials, name)
            if getattr(self, name) == getattr(AuthCore, name) != theirs:
                setattr(self, name, theirs)
        if not self.base_url:
            self.base_url = getattr(credentials, "base_url", "")
        self._set_origins(credentials.origins)
        endpoint = parse_origin(credentials.token_endpoint)
        if endpoint is not None and endpoint.scheme == "http" and endpoint not in credentials.origins:
            self._check_plain_http(endpoint)
        self._transport = self.transport_class().over(token_transport)
        self._source = TokenSource.shared(credentials, open_store(store), refresh)
        self._judges = True
        is_plain = (self.token_header, self.token_scheme) == (AUTHORIZATION, BEARER)
        # Adapters read the clocks as names of their modules, which freezegun replaces. `FakeClock` goes the long way.
        fast = self._source if is_plain and not self.anonymous_methods and self._source.clock is SYSTEM else None
        self._token_only = None if self.extra_names else fast
        self._with_fixed = fast if self.extra_names and self.fixed_headers else None
        if self._source.policy.keep_warm:
            self._source.keep_warm(self._transport)

    # Tokens.

    def token(self) -> Token:
        """Return the current token, obtaining one if there is none; blocks while that takes.

        Raises:
            TokenError: No token could be had.
            TokenStoreError: The token store failed, and cannot be done without.
        """
        if (found := self._tokens.peek(self._transport)) is None:
            self._warn_of_blocking("token", stacklevel=3)
            found = self.obtain()
        return found.token

    async def atoken(self) -> Token:
        """Return the current token, obtaining one if there is none; see `token`."""
        return (self._tokens.peek(self._transport) or await self.aobtain()).token

    def refresh(self) -> Token:
        """Refresh the token now, even if it is fresh, and return the new one.

        Naver returns the same token again while 30 minutes or more of its life remain.

        Raises:
            TokenError: No token could be had.
            TokenStoreError: The token store failed, and cannot be done without.
        """
        self._warn_of_blocking("refresh", stacklevel=3)
        return self.obtain(forced=True).token

    async def arefresh(self) -> Token:
        """Refresh the token now without blocking; see `refresh`."""
        return (await self.aobtain(forced=True)).token

    def set_token(self, token: Token) -> None:
        """Use a token that was obtained elsewhere, its refresh token included; it is saved before this returns.

        Args:
            token: From another library, a support tool or a migration. Its times are seconds since the epoch.

        Raises:
            ConfigurationError: It is no `krauth.Token` that can be sent.
            TokenStoreError: It could not be saved, and is not used.
        """
        given = unseen(token)
        del token  # a user may pass the text of one
        policy = self._tokens.policy
        self._transport.check_blocking()
        self._setting(given).get(policy)

    async def aset_token(self, token: Token) -> None:
        """Use a token that was obtained elsewhere without blocking; see `set_token`."""
        given = unseen(token)
        del token
        await self._setting(given).aget(self._tokens.policy)

    def forget(self) -> None:
        """Drop the token here and in the store. The server is not asked: the token itself stays valid.

        Raises:
            TokenStoreError: The store still holds it.
        """
        policy = self._tokens.policy
        self._transport.check_blocking()
        self._forgetting().get(policy)

    async def aforget(self) -> None:
        """Drop the token here and in the store without blocking; see `forget`."""
        await self._forgetting().aget(self._tokens.policy)

    def _setting(self, given: Secret) -> Run[Token | None]:
        from .._values.token import Token as TokenClass

        if not isinstance(given.reveal(), TokenClass):
            raise ConfigurationError(f"set_token takes a krauth.Token, not {type(given.reveal()).__name__}")
        token: Any = given.reveal()
        return self._tokens.perform(self._transport, lambda flows: flows.put(token))

    def _forgetting(self) -> Run[Token | None]:
        return self._tokens.perform(self._transport, lambda flows: flows.forget())

    def obtain(self, *, refused: Secret | str | None = None, forced: bool = False) -> Snapshot:
        """Wait for a token, or for another than the access token `refused`."""
        source = self._tokens
        self._transport.check_blocking()
        hidden = hide(refused)
        del refused  # or a traceback with local variables would show it
        return source.obtain(self._transport, refused=hidden, forced=forced)

    async def aobtain(self, *, refused: Secret | str | None = None, forced: bool = False) -> Snapshot:
        """Await a token, or another than the access token `refused`."""
        hidden = hide(refused)
        del refused
        return await self._tokens.aobtain(self._transport, refused=hidden, forced=forced)

    def _carry_out(self, steps: Asking[T], name: str | None = None) -> T:
        """Return what a decision returns; obtain a token for it, blocking, and warn of that by the method's name."""
        try:
            refused = next(steps)
            if name is not None:
                self._warn_of_blocking(name, stacklevel=4)
            while True:
                try:
                    found = self.obtain(refused=refused)
                except Exception as error:  # noqa: BLE001  the decision's to handle
                    refused = steps.throw(error)
                else:
                    refused = steps.send(found)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _acarry_out(self, steps: Asking[T]) -> T:
        """Return what a decision returns; obtain a token for it, without blocking."""
        try:
            refused = next(steps)
            while True:
                try:
                    found = await self.aobtain(refused=refused)
                except Exception as error:  # noqa: BLE001  the decision's to handle
                    refused = steps.throw(error)
                else:
                    refused = steps.send(found)
        except StopIteration as end:
            result: T = end.value
            return result

    def _warn_of_blocking(self, name: str, *, stacklevel: int) -> None:
        """Say, once, that an event loop stands still while this caller waits."""
        global _warned_blocking
        if self._source is not None:  # without one, what comes next says so
            self._transport.check_blocking()
        if _warned_blocking or "asyncio" not in sys.modules:
            return
        from .._values.loops import running_loop, running_trio

        if running_trio() is not None or running_loop() is not None:
            _warned_blocking = True
            import warnings

            warnings.warn(
                f"{name}() was called on a running event loop, which stands still until the server has answered:"
                f" use `await auth.a{name}()`",
                RuntimeWarning,
                stacklevel=stacklevel,
            )

    @property
    def _tokens(self) -> TokenSource:
        if self._source is None:
            raise ConfigurationError(f"{type(self).__name__} holds no token")
        return self._source

    # For clients that send by themselves.

    def headers(self, method: str, url: str, body: bytes | str | None = None) -> dict[str, str]:
        """Return the header fields that authenticate a request; none for a URL of another origin. May block.

        Args:
            method: The HTTP method.
            url: The absolute URL, as it is sent.
            body: The body, as it is sent; needed only by providers that sign it.

        Raises:
            TokenError: No token could be had.
            TokenStoreError: The token store failed, and cannot be done without.
        """
        from .other_clients import fields_of

        return self._carry_out(fields_of(self, method, url, body), "headers")

    async def aheaders(self, method: str, url: str, body: bytes | str | None = None) -> dict[str, str]:
        """Return the header fields that authenticate a request, without blocking; see `headers`."""
        from .other_clients import fields_of

        return await self._acarry_out(fields_of(self, method, url, body))

    def refused(
        self,
        method: str,
        url: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes | str | None,
        sent: Mapping[str, str],
    ) -> dict[str, str] | None:
        """Say whether to repeat a request, once, after any answer: the header fields for it, or `None`. May block.

        Args:
            method: The HTTP method of the request.
            url: Its absolute URL.
            status: The status of the answer.
            headers: The header fields of the answer.
            body: The body of the answer; the first 64 KiB are enough.
            sent: The header fields that were sent: what `headers` returned.

        Raises:
            AuthorizationRequired: A user has to sign in again.
        """
        from .other_clients import fields_again

        steps = fields_again(self, method, url, status, headers, body, sent)
        del sent  # or a traceback with local variables would show it
        return self._carry_out(steps)

    async def arefused(
        self,
        method: str,
        url: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes | str | None,
        sent: Mapping[str, str],
    ) -> dict[str, str] | None:
        """Say whether to repeat a request, without blocking; see `refused`."""
        from .other_clients import fields_again

        steps = fields_again(self, method, url, status, headers, body, sent)
        del sent
        return await self._acarry_out(steps)

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
        return (source.peek(self._transport) if replayable else source.peek_with_life_left(self._transport)) or False

    def header_of(self, snapshot: Snapshot) -> str:
        """Return the value of `token_header` for a token."""
        if self.token_scheme == BEARER:
            return snapshot.header
        return f"{self.token_scheme} {snapshot.token.access_token}".lstrip()

    def put_token(self, headers: MutableMapping[str, str], snapshot: Snapshot) -> None:
        """Set the token's header field."""
        headers[self.token_header] = snapshot.header if self.token_scheme == BEARER else self.header_of(snapshot)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of all header fields of ours: what no other origin may be sent."""
        return self.extra_names if self._source is None else (self.token_header, *self.extra_names)

    # Types: `(method, url)`, and with `signs_body` `(method, url, body)`.
    def extra_headers(self, *args: Any, **kwargs: Any) -> Mapping[str, str]:
        """Return the additional header fields, without the token's, for one sending of a request.

        Args:
            args: The HTTP method, the URL as it is sent, and with `signs_body` the body as bytes.
            kwargs: None.
        """
        return {}

    def set_extra_headers(self, headers: MutableMapping[str, str], method: str, url: str, body: object = b"") -> None:
        """Set the additional header fields that `extra_names` names.

        Other fields are not set: the adapter could not remove them again for a foreign origin.

        Raises:
            ConfigurationError: The provider signs the body, and this one can't be had whole.
        """
        if not self.extra_names:
            return
        if (fixed := self._fixed) is not None:
            fixed.put(headers)
            return
        if self.signs_body:
            if not isinstance(body, bytes):
                raise ConfigurationError(
                    f"{type(self).__name__} signs the body, and this one is a stream that can be read only once:"
                    " hand over bytes, text, a form, JSON or a file that can be read again"
                )
            fields = self.extra_headers(method, url, body)
        else:
            fields = self.extra_headers(method, url)
        if self.fixed_headers:
            self._fixed = FixedFields(fields)
        for name in fields:  # a third of what `update` costs
            headers[name] = fields[name]

    def judge(self, method: str, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Say what an answer with one of `judged_statuses` means for the credential that was sent.

        Args:
            method: The HTTP method of the request.
            status: The status of the answer.
            headers: Its header fields.
            body: Its body, or `b""` where it is judged by a header field.
        """
        if self._source is not None:
            return self._source.credentials.judge(method, status, headers, body)
        from .._oauth.error_table import judge_refusal

        return judge_refusal(self.errors, method, status, headers, body, names=self.token_fields)

    def is_judged(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer with one of `judged_statuses` is to be judged: below 300 only where its place is named."""
        if status >= 300:
            return True
        if self.judged_header is not None:
            return headers.get(self.judged_header) is not None
        media_type = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        return "json" in media_type and media_type not in JSON_STREAMS

    def reads_body(self, status: int) -> bool:
        """Whether an answer is judged by its body."""
        return status >= 300 or self.judged_header is None

    @property
    def judging_time(self) -> float:
        """Seconds that reading a refusal may take."""
        return JUDGING_TIME if self._source is None else self._source.policy.attempt_timeout

    def find_retry(self, refusal: Refusal) -> Snapshot | bool:
        """Return the token to repeat a refused request with; `True`: the same, signed anew; `False`: hand it back."""
        from .refusal import retry_of

        return self._carry_out(retry_of(self, refusal))

    async def afind_retry(self, refusal: Refusal) -> Snapshot | bool:
        """Do as `find_retry` does, without blocking."""
        from .refusal import retry_of

        return await self._acarry_out(retry_of(self, refusal))

    def is_refusal(self, refusal: Refusal) -> bool:
        """Whether an answer to a repeated request is a refusal once more."""
        from .refusal import is_refusal

        return is_refusal(self, refusal)

    def refused_again(self, retry: Snapshot | bool = True) -> None:
        """The repeated request was refused too: neither the new token nor the new time helped."""
        if retry is True:
            from .api_clock import forget

            forget(self._origins)
        elif self._source is not None:
            self._source.refused_again()

    # The clock for signatures.

    def server_time(self) -> float:
        """Return seconds since the epoch, by the API's clock as far as it is known."""
        from .api_clock import time_of

        return time_of(self._origins)

    # A credential is never withheld in silence.

    def withhold(self, url: str) -> None:
        """Say, at DEBUG, that a request is sent without the credential."""
        from .._values.event import logger

        if logger.isEnabledFor(10):
            from .telling import belongs

            logger.debug("%s: nothing is attached to a request to %s", belongs(self), parse_origin(url))

    def warn_withheld(self, url: str) -> None:
        """Say, once per origin, that a 401 came from an origin that the credential is not for."""
        from .telling import warn_withheld

        warn_withheld(self, url)

    def emit(self, kind: Kind, detail: str) -> None:
        """Tell the log and the observers what happened."""
        from .telling import emit

        emit(self, kind, detail)

    def wrong_client(self, request: object) -> ConfigurationError:
        """Return the error for a request of another library than this class is for."""
        from .mistakes import wrong_client

        return wrong_client(self, request)

    # What must not happen to a credential.

    def __repr__(self) -> str:
        where = ", ".join(str(origin) for origin in self._origins)
        state = f" {self._source!r}" if self._source is not None else ""
        return f"<{type(self).__module__.partition('.')[0]}.{type(self).__name__} for {where}{state}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is not pickled: it holds credentials. Make it anew where it is needed,"
            " for example with from_env(); a store URL lets processes share the token"
        )


class OriginAuth(AuthCore):
    """A credential that belongs to certain origins. Immutable; may be shared by threads, tasks and clients."""


def reset() -> None:
    """Forget the measured clocks of APIs and the given warnings; for tests."""
    from . import api_clock

    global _warned_blocking
    api_clock.reset()
    _warned_blocking = False


def is_seekable(file: object) -> bool:
    """Whether a body is a file that can be read again from where it began."""
    try:
        return bool(file.seekable())  # type: ignore[attr-defined]
    except (AttributeError, ValueError, OSError):
        return False
