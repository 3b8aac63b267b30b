"""Refusal: an answer that may say something about the credential, and what its request is repeated with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._values.exceptions import AuthorizationRequired, KrauthError
from .._values.secret import Secret, hide
from . import api_clock, telling  # noqa: F401  a 401 is told of: not to be imported on an event loop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._engine.snapshot import Snapshot
    from .._oauth.credentials import Verdict
    from .settings import Asking, Auth


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


def retry_of(auth: Auth, refusal: Refusal) -> Asking[Snapshot | bool]:
    """Judge a refusal, and return what its request is repeated with; see `AuthCore.find_retry`."""
    verdict = auth.judge(refusal.method, refusal.status, refusal.headers, refusal.body)
    if refusal.status >= 300 or verdict.refresh or verdict.clock:
        code = f"{refusal.status} {verdict.code}" if verdict.code else str(refusal.status)
        auth.emit("refused", code + (f": {verdict.remedy}" if verdict.remedy else ""))
    found: Snapshot | bool = False
    if verdict.clock:
        found = api_clock.measure(auth._origins, refusal.headers.get("Date"))
    elif verdict.refresh and auth._source is not None:
        try:
            found = yield _carried_token(auth, refusal)
        except AuthorizationRequired:
            raise
        except KrauthError as error:  # an answer of the API becomes no exception of krauth
            auth.emit("uncured", f"no other token could be had: {error}")
    if found is False or (found is not True and refusal.carried == hide(auth.header_of(found))):
        return False  # there is no other token
    if not refusal.replayable:
        auth.emit("not_resent", "its body was a stream that can be read only once; the next call is not affected")
        return False
    return found


def is_refusal(auth: Auth, refusal: Refusal) -> bool:
    """Whether an answer to a repeated request is a refusal once more."""
    verdict: Verdict = auth.judge(refusal.method, refusal.status, refusal.headers, refusal.body)
    return verdict.refresh or verdict.clock


def _carried_token(auth: Auth, refusal: Refusal) -> Secret | None:
    """Return the access token that a refused request carried, or `None`."""
    scheme = f"{auth.token_scheme} ".lstrip()
    if refusal.carried is None or not refusal.carried.reveal().startswith(scheme):
        return None
    return hide(refusal.carried.reveal()[len(scheme) :])
