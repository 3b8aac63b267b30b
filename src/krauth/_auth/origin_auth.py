"""What the auth classes of all stacks share: settings, origins, tokens, and every decision about a request.

An adapter's base class derives from `AuthCore` and does to a request what its library wants. A provider's `…AuthBase`
(in `naver`, `meloming`, `oauth2`) derives from `OriginAuth` and brings constructor and methods. The public classes are
both. `OriginAuth` adds nothing to `AuthCore`: it exists so that a class may name its two bases in either order.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from .._oauth.credentials import DEFAULT_JUDGED
from .._values.exceptions import AuthorizationRequired, ConfigurationError, TokenError, TokenStoreError
from .._values.origin import Origin, make_origin, parse_origin, url_authorities, url_prefixes, url_triples
from .._values.secret import Secret, hide
from .settings import MAX_JUDGED_BODY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from .._engine.run import Run
    from .._engine.snapshot import Snapshot
    from .._engine.source import TokenSource
    from .._oauth.credentials import Credentials, ErrorTable, Verdict
    from .._oauth.error_table import FieldNames
    from .._values.event import Kind
    from .._values.token import RefreshPolicy, Token
    from ..stores import TokenStore
    from .transport import Transport

#: Seconds that reading this much may take, for a credential without a `RefreshPolicy`.
JUDGING_TIME = 10.0
#: Seconds: a `Date` further off than this is no time that a certificate would have let through.
MAX_SKEW = 366 * 86400.0
AUTHORIZATION, BEARER = "Authorization", "Bearer"
#: What an adapter gives for a body that can't be had whole.
ONE_SHOT = object()

#: API origin → seconds that its clock is ahead of ours; only where a refusal blamed the clock.
_ahead: dict[Origin, float] = {}
_warned_blocking = False
#: Origins of plain http that a warning about a proxy named.
_warned_proxies: set[Origin] = set()


class AuthCore:
    """A credential that belongs to certain origins. Immutable; may be shared by threads, tasks and clients."""

    _source: TokenSource | None = None
    #: The source, where every request wants its token and nothing else. Adapters read its snapshot without a call: the
    #: hot path, written out in each of them, since a call would cost as much as all the rest of it.
    _always: TokenSource | None = None
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

    #: Where the API is: the URL that the paths of its documentation are added to, without a trailing slash.
    base_url: str = ""
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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "extra_headers" in vars(cls) and "fixed_headers" not in vars(cls):
            cls.fixed_headers = False  # what a base class said was about its own method

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse a request: a client that was handed the class calls it as it would call an object of it."""
        if args and hasattr(args[0], "headers") and hasattr(args[0], "url"):
            raise ConfigurationError(
                f"a client was handed the class {cls.__name__} instead of an object: make one, {cls.__name__}(…) or"
                f" {cls.__name__}.from_env()"
            )
        return super().__new__(cls)

    # What an adapter fills in.

    #: How token requests travel over the adapter's own library.
    transport_class: ClassVar[type[Transport]]

    #: `socket.getaddrinfo`, from the adapters: the core opens no socket and asks no resolver.
    resolve: ClassVar[Callable[..., list[Any]] | None] = None

    # Settings.

    def _set_origins(self, origins: tuple[Origin, ...]) -> None:
        for origin in origins:
            if origin.scheme == "http":
                self._check_plain_http(origin)
        self._origins = origins
        self._prefixes = url_prefixes(origins)
        self._authorities = url_authorities(origins)
        self._triples = url_triples(origins)
        if not self.base_url and origins:
            self.base_url = str(origins[0])
        if self._source is None:
            self._judges = bool(self.errors) or type(self).judge is not AuthCore.judge
        if min(self.judged_statuses, default=401) < 300 and not (self.judged_header or self.judged_json):
            raise ConfigurationError(
                f"{type(self).__name__} judges answers with a status below 300: set judged_header to the name of a"
                " header field that only a refusal has, or judged_json = True to judge them by their JSON body"
            )

    def _check_plain_http(self, origin: Origin) -> None:
        """Plain http is for this machine alone: a name must lead here, and no proxy should stand in between."""
        if origin.host.endswith(".localhost") and self.resolve is not None:
            # RFC 6761 §6.3 lets a resolver answer "localhost" names with loopback addresses, and not all do.
            try:
                found = {entry[4][0].partition("%")[0] for entry in self.resolve(origin.host, origin.port)}
            except OSError:
                found = set()
            if not found or not all(Origin("http", address, 80).is_loopback for address in found):
                raise ConfigurationError(
                    f"{origin} does not lead to this machine here, and plain http is for this machine alone:"
                    " use http://127.0.0.1 or https"
                )
        name = next(
            (one for one in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(one)), None
        )
        if name is not None and origin not in _warned_proxies and not _is_excepted(origin.host):
            from .._values.event import logger

            _warned_proxies.add(origin)
            logger.warning(
                "%s names a proxy, and NO_PROXY does not except %s: a client that follows them sends calls to %s, and"
                " the credential, to that proxy in plain text; set NO_PROXY=%s",
                *(name, origin.host, origin, origin.host),
            )

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
        from . import judged_body  # noqa: F401  or the first refusal would load it on an event loop

        if refresh is not None and not isinstance(refresh, RefreshPolicy):
            raise ConfigurationError("refresh must be a krauth.RefreshPolicy")
        for name in ("judged_statuses", "judged_header", "judged_json"):
            if getattr(self, name) == getattr(AuthCore, name):
                setattr(self, name, getattr(credentials, name))
        self.base_url = self.base_url or getattr(credentials, "base_url", "")
        self._set_origins(credentials.origins)
        endpoint = parse_origin(credentials.token_endpoint)
        if endpoint is not None and endpoint.scheme == "http" and endpoint not in credentials.origins:
            self._check_plain_http(endpoint)
        self._transport = self.transport_class.over(token_transport)
        self._source = TokenSource.shared(credentials, open_store(store), refresh)
        self._judges = True
        is_plain = (self.token_header, self.token_scheme) == (AUTHORIZATION, BEARER)
        # Adapters read the clocks as names of their modules, which freezegun replaces. `FakeClock` goes the long way.
        if is_plain and not self.anonymous_methods and self._source.clock is SYSTEM:
            self._always = None if self.extra_names else self._source
            self._with_fixed = self._source if self.extra_names and self.fixed_headers else None
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
            self._warn_of_blocking("token")
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
        self._transport.check_blocking()
        self._setting(token).get(self._tokens.policy)

    async def aset_token(self, token: Token) -> None:
        """Use a token that was obtained elsewhere without blocking; see `set_token`."""
        await self._setting(token).aget(self._tokens.policy)

    def forget(self) -> None:
        """Drop the token here and in the store. The server is not asked: the token itself stays valid.

        Raises:
            TokenStoreError: The store still holds it.
        """
        self._transport.check_blocking()
        self._forgetting().get(self._tokens.policy)

    async def aforget(self) -> None:
        """Drop the token here and in the store without blocking; see `forget`."""
        await self._forgetting().aget(self._tokens.policy)

    def _setting(self, token: Token) -> Run[Token | None]:
        from .._values.token import Token as TokenClass

        if not isinstance(token, TokenClass):
            raise ConfigurationError(f"set_token takes a krauth.Token, not {type(token).__name__}")
        return self._tokens.perform(self._transport, lambda flows: flows.put(token))

    def _forgetting(self) -> Run[Token | None]:
        return self._tokens.perform(self._transport, lambda flows: flows.forget())

    def obtain(self, *, refused: str | None = None, forced: bool = False) -> Snapshot:
        """Wait for a token, or for another than the access token `refused`."""
        self._transport.check_blocking()
        hidden = hide(refused)
        del refused  # or a traceback with local variables would show it
        return self._tokens.obtain(self._transport, refused=hidden, forced=forced)

    async def aobtain(self, *, refused: str | None = None, forced: bool = False) -> Snapshot:
        """Await a token, or another than the access token `refused`."""
        hidden = hide(refused)
        del refused
        return await self._tokens.aobtain(self._transport, refused=hidden, forced=forced)

    def _warn_of_blocking(self, name: str) -> None:
        """Say, once, that an event loop stands still while this caller waits."""
        global _warned_blocking
        self._transport.check_blocking()
        if _warned_blocking or "asyncio" not in sys.modules:
            return
        from .transport import AsyncHome

        if AsyncHome.current() is not None:
            _warned_blocking = True
            import warnings

            warnings.warn(
                f"{name}() was called on a running event loop, which stands still until a token is there:"
                f" use `await auth.a{name}()`",
                RuntimeWarning,
                stacklevel=3,
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
        method, url = method.upper(), str(url)
        if not self.covers_url(url):
            self.withhold(url)
            return {}
        if not (found := self.peek(method, True)):
            self._warn_of_blocking("headers")
            found = self.obtain()
        return self._fields(method, url, body, found)

    async def aheaders(self, method: str, url: str, body: bytes | str | None = None) -> dict[str, str]:
        """Return the header fields that authenticate a request, without blocking; see `headers`."""
        method, url = method.upper(), str(url)
        if not self.covers_url(url):
            self.withhold(url)
            return {}
        return self._fields(method, url, body, self.peek(method, True) or await self.aobtain())

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
        asked = self._asked(method, url, status, headers, body, sent)
        del sent
        return None if asked is None else asked.answer(self, self.find_cure(asked.refusal))

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
        asked = self._asked(method, url, status, headers, body, sent)
        del sent
        return None if asked is None else asked.answer(self, await self.afind_cure(asked.refusal))

    def _fields(self, method: str, url: str, body: bytes | str | None, found: Snapshot | bool) -> SentFields:
        fields = SentFields()
        if not isinstance(found, bool):
            self.put_token(fields, found)
        content = body.encode() if isinstance(body, str) else body or b""
        self.set_extra_headers(fields, method, url, content)
        if self.signs_body:
            fields.body = content
        return fields

    def _asked(
        self,
        method: str,
        url: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes | str | None,
        sent: Mapping[str, str],
    ) -> _Asked | None:
        method, url = method.upper(), str(url)
        if not self.covers_url(url):
            if status == 401:
                self.warn_withheld(url)
            return None
        answer = AnyCase(headers)
        if status not in self.judged_statuses or not self._judges or not self.is_judged(status, answer):
            return None
        carried = hide(AnyCase(sent).get(self.token_header))
        content = getattr(sent, "body", None)
        replayable = not self.signs_body or content is not None
        del sent
        last = self._repeated
        if last is not None and last[:2] == (method, url) and carried == hide(last[2] and self.header_of(last[2])):
            self._repeated = None  # the fields that the last call gave for this very request
            self.refused_again(last[2] or True)
            return None
        said = body.encode() if isinstance(body, str) else body or b""
        refusal = Refusal(method, status, answer, said[:MAX_JUDGED_BODY], carried, replayable=replayable)
        return _Asked(method, url, hide(content), refusal)

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
        return "json" in (headers.get("Content-Type") or "").lower()

    def reads_body(self, status: int) -> bool:
        """Whether an answer is judged by its body."""
        return status >= 300 or self.judged_header is None

    @property
    def judging_time(self) -> float:
        """Seconds that reading a refusal may take."""
        return JUDGING_TIME if self._source is None else self._source.policy.attempt_timeout

    def find_cure(self, refusal: Refusal) -> Snapshot | bool:
        """Return the token to repeat a refused request with; `True`: the same, signed anew; `False`: hand it back."""
        found: Snapshot | bool | None = self._first_look(refusal)
        if found is None:
            try:
                found = self.obtain(refused=self._carried(refusal))
            except (TokenError, TokenStoreError) as error:
                found = self._uncured(error)
        return self._last_look(refusal, found)

    async def afind_cure(self, refusal: Refusal) -> Snapshot | bool:
        """Do as `find_cure` does, without blocking."""
        found: Snapshot | bool | None = self._first_look(refusal)
        if found is None:
            try:
                found = await self.aobtain(refused=self._carried(refusal))
            except (TokenError, TokenStoreError) as error:
                found = self._uncured(error)
        return self._last_look(refusal, found)

    def is_refusal(self, refusal: Refusal) -> bool:
        """Whether an answer to a repeated request is a refusal once more."""
        verdict = self.judge(refusal.method, refusal.status, refusal.headers, refusal.body)
        return verdict.refresh or verdict.clock

    def _first_look(self, refusal: Refusal) -> bool | None:
        """Judge a refusal, and tell the log and the observers; `None`: another token is wanted."""
        verdict = self.judge(refusal.method, refusal.status, refusal.headers, refusal.body)
        if refusal.status >= 300 or verdict.refresh or verdict.clock:
            code = f"{refusal.status} {verdict.code}" if verdict.code else str(refusal.status)
            self.emit("refused", code + (f": {verdict.remedy}" if verdict.remedy else ""))
        if verdict.clock:
            return self._set_clock(refusal.headers)
        return None if verdict.refresh and self._source is not None else False

    def _last_look(self, refusal: Refusal, found: Snapshot | bool) -> Snapshot | bool:
        if found is False or (found is not True and refusal.carried == hide(self.header_of(found))):
            return False  # there is no other token: the server's word stands
        if not refusal.replayable:
            self.emit("not_resent", "its body was a stream that can be read only once; the next call is not affected")
            return False
        return found

    def _carried(self, refusal: Refusal) -> str | None:
        """Return the access token that a refused request carried, or `None`."""
        start = f"{self.token_scheme} ".lstrip()
        if refusal.carried is None or not refusal.carried.reveal().startswith(start):
            return None
        return refusal.carried.reveal()[len(start) :]

    def _uncured(self, error: Exception) -> bool:
        """Hand a refusal back where no other token could be had: an answer of the API is no exception of ours."""
        if isinstance(error, AuthorizationRequired):
            raise error
        self.emit("uncured", f"no other token could be had: {error}")
        return False

    def refused_again(self, cure: Snapshot | bool = True) -> None:
        """The repeated request was refused too, so the new token or the new time was not the cure."""
        if cure is True:
            for origin in self._origins:
                _ahead.pop(origin, None)
        elif self._source is not None:
            self._source.refused_again()

    # The clock for signatures.

    def server_time(self) -> float:
        """Return seconds since the epoch, by the API's clock as far as it is known."""
        from .._values.clock import current_clock

        return current_clock().time() + (_ahead.get(self._origins[0], 0.0) if _ahead and self._origins else 0.0)

    def _set_clock(self, headers: Mapping[str, str]) -> bool:
        """Take the time from an answer that blames the clock; false without a `Date`, or if that time was used."""
        from .._values.clock import current_clock, parse_http_date

        date = parse_http_date(headers.get("Date"))
        if date is None:
            return False
        # `Date` has whole seconds and was written before now: the time that is made with this is never in the future.
        ahead = date - current_clock().time()
        if abs(ahead) > MAX_SKEW or abs(ahead - _ahead.get(self._origins[0], 0.0)) < 2.0:
            return False
        for origin in self._origins:
            _ahead[origin] = ahead
        return True

    # A credential is never withheld in silence.

    def withhold(self, url: str) -> None:
        """Say, at DEBUG, that a request is sent without the credential."""
        from .._values.event import logger

        if logger.isEnabledFor(10):
            logger.debug("%s: nothing is attached to a request to %s", self._belongs(), parse_origin(url))

    def warn_withheld(self, url: str) -> None:
        """Say, once per origin, that a 401 came from an origin that the credential is not for."""
        origin = parse_origin(url)
        if origin in self._warned or len(self._warned) > 100:
            return
        self._warned |= {origin}
        if origin in self._origins:
            why = "to a request that another server redirected there, and whose method, path and body it chose"
        else:
            why = (
                f"and the credential belongs to {', '.join(map(str, self._origins))} alone; if that is your API too,"
                f" make the auth object for it: its base_url= (OAuth2Auth: api_origins=) is {self.base_url} now"
            )
        self.emit("withheld", f"{origin or 'a URL that can be read in two ways'} answered 401, {why}")

    def emit(self, kind: Kind, detail: str) -> None:
        """Tell the log and the observers what happened."""
        if self._source is not None:
            self._source.tell(kind, detail)
            return
        import functools

        from .._engine.source import call
        from .._plugins import notify
        from .._values.clock import current_clock
        from .._values.event import TokenEvent, write

        event = TokenEvent(kind, type(self).__name__, self._belongs(), current_clock().time(), detail=detail)
        write(event)
        call(functools.partial(notify, event))

    def _belongs(self) -> str:
        return f"{type(self).__name__} for {', '.join(map(str, self._origins))}"

    def wrong_client(self, request: object) -> ConfigurationError:
        """Return the error for a request of another library than this class is for."""
        name = type(self).__name__
        given, own = (type(one).__module__.partition(".")[0] for one in (request, self))
        base = next((one.__module__ for one in type(self).__mro__ if one.__module__.startswith("krauth_")), own)
        own = base.partition(".")[0]
        if given in ("requests", "httpx", "httpx2", "aiohttp"):
            cure = f"take {name} from krauth_{given} for it"
        else:
            cure = f"use {name}.headers(method, url) for clients that krauth has no adapter for"
        return ConfigurationError(
            f"{name} of {own} was handed to a client of {given}"
            + (", which some programs use in place of httpx" if (given, own) == ("httpx2", "krauth_httpx") else "")
            + f": {cure}"
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


class OriginAuth(AuthCore):
    """A credential that belongs to certain origins. Immutable; may be shared by threads, tasks and clients."""


class Refusal:
    """An answer that may say something about the credential that was sent.

    Attributes:
        method: The HTTP method of the request.
        status: The status of the answer.
        headers: Its header fields; `get` finds them in any case.
        body: The beginning of its body.
        carried: What the request carried in `token_header`, or `None`.
        replayable: Whether the request can be sent again.
    """

    __slots__ = ("body", "carried", "headers", "method", "replayable", "status")

    def __init__(
        self,
        method: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        carried: Secret | None,
        *,
        replayable: bool,
    ) -> None:
        self.method, self.status, self.headers, self.body = method, status, headers, body
        self.carried, self.replayable = carried, replayable


class _Asked:
    """What a caller of `refused` asks about."""

    __slots__ = ("content", "method", "refusal", "url")

    def __init__(self, method: str, url: str, content: Secret | None, refusal: Refusal) -> None:
        self.method, self.url, self.content, self.refusal = method, url, content, refusal

    def answer(self, auth: AuthCore, found: Snapshot | bool) -> dict[str, str] | None:
        """Return the header fields to repeat the request with."""
        if found is False:
            return None
        content: Any = self.content.reveal() if self.content is not None else None
        fields = auth._fields(self.method, self.url, content, found)
        # A provider without tokens may sign in this very field: then `_fields` has made it anew.
        if found is True and self.refusal.carried is not None and auth._source is not None:
            fields[auth.token_header] = self.refusal.carried.reveal()
        auth._repeated = (self.method, self.url, None if found is True else found)
        return fields


class SentFields(dict[str, str]):
    """What `headers` returns: a dict that shows no value, and knows the body that was signed."""

    #: The signed body, where the provider signs bodies.
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"<header fields {', '.join(self)}>"


class AnyCase(dict[str, str]):
    """Header fields, found by names in any case."""

    __slots__ = ()

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({str(name).lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header field, or `default`."""
        return super().get(name.lower(), default)

    def __repr__(self) -> str:
        return f"<header fields {', '.join(self)}>"


class FixedFields:
    """Header fields that are the same for every request, made once; no repr or `vars` shows their values."""

    __slots__ = ("_items",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._items = tuple(fields.items())

    def put(self, headers: MutableMapping[str, str]) -> None:
        """Set them."""
        for item in self._items:
            headers[item[0]] = item[1]


def _is_excepted(host: str) -> bool:
    """Whether NO_PROXY names a host, the end of its name, or all."""
    names = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    return any(
        name == "*" or host == name or host.endswith(f".{name}")
        for name in (one.strip().lstrip(".").lower() for one in names)
        if name
    )


def reset() -> None:
    """Forget the measured clocks of APIs and the given warnings; for tests."""
    global _warned_blocking
    _ahead.clear()
    _warned_blocking = False


@atexit.register
def _at_exit() -> None:
    # Registered with this import and not with that of `_source`, which comes later: handlers that were registered in
    # between run before it, and may still want a token.
    if (source := sys.modules.get("krauth._engine.source")) is not None:
        source.at_exit()


def is_seekable(file: object) -> bool:
    """Whether a body is a file that can be read again from where it began."""
    try:
        return bool(file.seekable())  # type: ignore[attr-defined]
    except (AttributeError, ValueError, OSError):
        return False


def is_too_long(length: str | None) -> bool:
    """Whether a `Content-Length` announces more than is judged."""
    return length is not None and length.isdecimal() and (len(length) > 9 or int(length) > MAX_JUDGED_BODY)
