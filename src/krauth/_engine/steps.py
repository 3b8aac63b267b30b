"""The steps that `_flow` yields and `_driver` performs; each says what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .._values.event import Kind
    from .._values.messages import HTTPRequest
    from .._values.token import Token
    from ..stores import Lease


class Load(NamedTuple):
    """→ `Stored | None`."""


class Save(NamedTuple):
    """→ the new version."""

    value: str
    version: str | None
    lease: Lease | None
    expires_at: float | None

    def __repr__(self) -> str:
        return "Save(…)"


class Acquire(NamedTuple):
    """→ `Lease | None`."""

    seconds: float


class Release(NamedTuple):
    """→ `None`."""

    lease: Lease


class Send(NamedTuple):
    """→ `HTTPResponse`."""

    request: HTTPRequest


class Sleep(NamedTuple):
    """→ `None`, after `seconds`."""

    seconds: float


class Emit(NamedTuple):
    """→ `None`; something happened that an operator may want to know."""

    kind: Kind
    token: Token | None = None
    error: Exception | None = None
    detail: str | None = None


Step = Load | Save | Acquire | Release | Send | Sleep | Emit
