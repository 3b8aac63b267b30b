"""The steps that a flow yields and the driver performs; each says what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeAlias, TypeVar

    from .._oauth.credentials import Credentials
    from .._values.event import Kind
    from .._values.exceptions import KrauthError
    from .._values.messages import HTTPRequest
    from .._values.token import Token
    from ..stores import Lease


class _Step:
    """Base of the steps. No tuple: pytest and error trackers show the items of one, and a step may hold a token."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__match_args__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Load(_Step):
    """→ `Stored | None`. `key=None`: the entry of the credentials; `former`: what an older krauth left of it."""

    __match_args__ = __slots__ = ("key", "former")

    def __init__(self, key: str | None = None, former: bool = False) -> None:
        self.key, self.former = key, former


class Acquire(_Step):
    """→ `(Lease | None, Stored | None)`: the lease, and the entry as it is under the lease."""

    __match_args__ = __slots__ = ("seconds", "key")

    def __init__(self, seconds: float, key: str | None = None) -> None:
        self.seconds, self.key = seconds, key


class Save(_Step):
    """→ the new version. `release`: the lease is given back in the same step."""

    __match_args__ = __slots__ = ("value", "version", "lease", "expires_at", "release", "key")

    def __init__(
        self,
        value: str,
        version: str | None,
        lease: Lease | None,
        expires_at: float | None,
        release: bool = False,
        key: str | None = None,
    ) -> None:
        self.value, self.version, self.lease = value, version, lease
        self.expires_at, self.release, self.key = expires_at, release, key


class Release(_Step):
    """→ `None`."""

    __match_args__ = __slots__ = ("lease",)

    def __init__(self, lease: Lease) -> None:
        self.lease = lease


class Send(_Step):
    """→ `HTTPResponse`."""

    __match_args__ = __slots__ = ("request",)

    def __init__(self, request: HTTPRequest) -> None:
        self.request = request


class Reread(_Step):
    """→ whether the client secret is another one than before: it is read again, by a function of the user's."""

    __match_args__ = __slots__ = ("credentials", "identity")

    def __init__(self, credentials: Credentials, identity: object) -> None:
        self.credentials, self.identity = credentials, identity


class Sleep(_Step):
    """→ `None`, after `seconds`. `error`: why an attempt failed that is repeated then; the driver tells of it."""

    __match_args__ = __slots__ = ("seconds", "error")

    def __init__(self, seconds: float, error: KrauthError | None = None) -> None:
        self.seconds, self.error = seconds, error


class Emit(_Step):
    """→ `None`; something happened that an operator may want to know."""

    __match_args__ = __slots__ = ("kind", "token", "error", "detail")

    def __init__(
        self, kind: Kind, token: Token | None = None, error: BaseException | None = None, detail: str | None = None
    ) -> None:
        self.kind, self.token, self.error, self.detail = kind, token, error, detail


Step = Load | Save | Acquire | Release | Send | Reread | Sleep | Emit

if TYPE_CHECKING:
    T = TypeVar("T")
    #: A flow: it yields steps, is sent what each step says, and returns its result.
    Flow: TypeAlias = Generator[Step, Any, T]
