"""Header fields for clients that send by themselves: what `headers` and `refused` return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._values.exceptions import ConfigurationError
from .._values.secret import Secret, hide
from .refusal import Refusal, is_refusal, retry_of
from .settings import MAX_JUDGED_BODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._engine.snapshot import Snapshot
    from .settings import Asking, Auth


class SentFields(dict[str, str]):
    """What `headers` returns: a dict that shows no value, and knows the body that was signed."""

    #: The signed body, where the provider signs bodies.
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"<header fields {', '.join(self)}>"


class AnyCase(dict[str, str]):
    """Header fields, found by names in any case."""

    __slots__ = ()

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        pairs: Any = headers.items() if hasattr(headers, "items") else headers
        try:
            super().__init__((str(name).lower(), value) for name, value in pairs)
        except (TypeError, ValueError):
            kind = type(headers).__name__
            raise ConfigurationError(f"header fields must be a dict, or pairs of name and value, not {kind}") from None

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header field, or `default`."""
        return super().get(name.lower(), default)

    def __repr__(self) -> str:
        return f"<header fields {', '.join(self)}>"


def _place(method: str, url: object) -> tuple[str, str]:
    """Return method and URL as they are compared."""
    if ":" in method or "/" in method:
        raise ConfigurationError("the method comes before the URL: headers('GET', url), refused('GET', url, …)")
    return method.upper(), str(url)


def fields_of(auth: Auth, method: str, url: str, body: bytes | str | None) -> Asking[dict[str, str]]:
    """Return the header fields of a request; see `AuthCore.headers`."""
    method, url = _place(method, url)
    if not auth.covers_url(url):
        auth.withhold(url)
        return {}
    return _made(auth, method, url, _content(body), auth.peek(method, True) or (yield None))


def fields_again(
    auth: Auth,
    method: str,
    url: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes | str | None,
    sent: Mapping[str, str],
) -> Asking[dict[str, str] | None]:
    """Return the header fields to repeat a request with, or `None`; see `AuthCore.refused`."""
    method, url = _place(method, url)
    if not isinstance(status, int):
        raise ConfigurationError(f"status must be the number of the answer's status, not {type(status).__name__}")
    if not auth.covers_url(url):
        if status == 401:
            auth.warn_withheld(url)
        return None
    answer = AnyCase(headers)
    if status not in auth.judged_statuses or not auth._judges or not auth.is_judged(status, answer):
        return None
    carried = hide(AnyCase(sent).get(auth.token_header))
    signed: Secret | None = hide(getattr(sent, "body", None))
    del sent  # or a traceback with local variables would show it
    last = auth._repeated
    replayable = not auth.signs_body or signed is not None
    refusal = Refusal(method, status, answer, _content(body)[:MAX_JUDGED_BODY], carried, replayable=replayable)
    if last is not None and last[:2] == (method, url) and carried == hide(last[2] and auth.header_of(last[2])):
        auth._repeated = None  # the fields that the last call gave for this very request
        if is_refusal(auth, refusal):
            auth.refused_again(last[2] or True)
        return None
    found = yield from retry_of(auth, refusal)
    if found is False:
        return None
    content: Any = signed.reveal() if signed is not None else b""
    fields = _made(auth, method, url, content, found)
    # A provider without tokens may sign in this very field: then it has been made anew.
    if found is True and carried is not None and auth._source is not None:
        fields[auth.token_header] = carried.reveal()
    auth._repeated = (method, url, None if found is True else found)
    return fields


def _made(auth: Auth, method: str, url: str, content: bytes, found: Snapshot | bool) -> SentFields:
    fields = SentFields()
    if not isinstance(found, bool):
        auth.put_token(fields, found)
    auth.set_extra_headers(fields, method, url, content)
    if auth.signs_body:
        fields.body = content
    return fields


def _content(body: bytes | str | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
