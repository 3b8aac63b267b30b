"""The steps that a flow yields and the driver performs; each says what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeAlias, TypeVar

    from .._oauth.credentials import Credentials
    from .._values.event import Kind
    from .._values.exceptions import KrauthError
    from .._values.messages import HTTPRequest
    from .._values.token import Token
    from ..stores import Lease


class Load(NamedTuple):
    """→ `Stored | None`. `key=None`: the entry of the credentials; `former`: what an older krauth left of it."""

    key: str | None = None
    former: bool = False


class Acquire(NamedTuple):
    """→ `(Lease | None, Stored | None)`: the lease, and the entry as it is under the lease."""

    seconds: float
    key: str | None = None


class Save:
    """→ the new version. `release`: the lease is given back in the same step.

    Not a tuple: pytest and error trackers show the items of one, and the value holds a token.
    """

    __slots__ = ("expires_at", "key", "lease", "release", "value", "version")
    __match_args__ = ("value", "version", "lease", "expires_at", "release", "key")

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

    def __repr__(self) -> str:
        return "Save(…)"


class Release(NamedTuple):
    """→ `None`."""

    lease: Lease


class Send(NamedTuple):
    """→ `HTTPResponse`."""

    request: HTTPRequest


class Reread(NamedTuple):
    """→ whether the client secret is another one than before: it is read again, by a function of the user's."""

    credentials: Credentials
    identity: object

    def __repr__(self) -> str:
        return "Reread(…)"


class Sleep(NamedTuple):
    """→ `None`, after `seconds`. `error`: why an attempt failed that is repeated then; the driver tells of it."""

    seconds: float
    error: KrauthError | None = None


class Emit(NamedTuple):
    """→ `None`; something happened that an operator may want to know."""

    kind: Kind
    token: Token | None = None
    error: BaseException | None = None
    detail: str | None = None


Step = Load | Save | Acquire | Release | Send | Reread | Sleep | Emit

if TYPE_CHECKING:
    T = TypeVar("T")
    #: A flow: it yields steps, is sent what each step says, and returns its result.
    Flow: TypeAlias = Generator[Step, Any, T]
