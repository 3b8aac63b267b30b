"""Settings of an auth object that never change: `Fixed` ones can't be assigned, `FixedFields` go into every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, MutableMapping
    from typing import Protocol, TypeVar

    from .._engine.snapshot import Snapshot
    from .._engine.source import TokenSource
    from .._oauth.error_table import Verdict
    from .._values.event import Kind
    from .._values.origin import Origin
    from .._values.secret import Secret

    T = TypeVar("T")

    class Auth(Protocol):
        """What the modules that are loaded late need of an auth object: see `AuthCore`."""

        _source: TokenSource | None
        _origins: tuple[Origin, ...]
        _judges: bool
        _repeated: tuple[str, str, Snapshot | None] | None
        _warned: frozenset[Origin | None]
        base_url: str
        judged_statuses: frozenset[int]
        signs_body: bool
        token_header: str
        token_scheme: str

        def covers_url(self, url: str) -> bool: ...
        def peek(self, method: str, replayable: bool) -> Snapshot | bool: ...
        def header_of(self, snapshot: Snapshot) -> str: ...
        def put_token(self, headers: MutableMapping[str, str], snapshot: Snapshot) -> None: ...
        def set_extra_headers(
            self, headers: MutableMapping[str, str], method: str, url: str, body: object = ...
        ) -> None: ...
        def is_judged(self, status: int, headers: Mapping[str, str]) -> bool: ...
        def judge(self, method: str, status: int, headers: Mapping[str, str], body: bytes) -> Verdict: ...
        def refused_again(self, retry: Snapshot | bool = ...) -> None: ...
        def withhold(self, url: str) -> None: ...
        def warn_withheld(self, url: str) -> None: ...
        def emit(self, kind: Kind, detail: str) -> None: ...

    #: `socket.getaddrinfo`.
    Resolver = Callable[..., list[Any]]
    #: A decision that asks for a token where it needs one, once at most: it yields the access token that was refused,
    #: or `None`, and is sent another token. The blocking method and the async one of a pair both carry it out.
    Asking = Generator[Secret | None, Snapshot, T]

#: Bytes of a refusal's body that are read at most, before and after decoding, to find the provider's code.
MAX_JUDGED_BODY = 65536


#: What to do instead of assigning a client secret.
REPLACING = (
    "the tokens in memory belong to the secret that was given; make a new auth object, or hand over a callable as"
    " client_secret, which is read again when the server says that the client is invalid"
)


class Fixed:
    """A setting of an auth object that can be read, and not assigned: an assignment would change nothing."""

    __slots__ = ("_hint", "_name", "_read")

    def __init__(self, read: Callable[[Any], object] | None, hint: str = "make a new auth object") -> None:
        """Say how it is read (`None`: never, it is a secret) and what to do instead of assigning."""
        self._read, self._hint = read, hint

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        if self._read is None:
            raise AttributeError(f"{self._name} is a secret, and not given out")
        return self._read(instance)

    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{self._name} can't be assigned: {self._hint}")


class FixedURL(Fixed):
    """The URL of the API: a provider may set it until the origins are known, and it can't be assigned afterwards."""

    __slots__ = ()

    def __set__(self, instance: Any, value: object) -> None:
        if instance._origins:
            super().__set__(instance, value)
        instance._base_url = value


class FixedFields:
    """Header fields that are the same for every request, made once; no repr or `vars` shows their values."""

    __slots__ = ("_items",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._items = tuple(fields.items())

    def put(self, headers: MutableMapping[str, str]) -> None:
        """Set them."""
        for item in self._items:
            headers[item[0]] = item[1]
