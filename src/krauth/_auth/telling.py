"""What log and observers are told of a request, and of a credential that is withheld from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._values.origin import parse_origin

if TYPE_CHECKING:
    from .._values.event import Kind
    from .settings import Auth


def emit(auth: Auth, kind: Kind, detail: str) -> None:
    """Tell what happened to a request, also for a credential without tokens."""
    if auth._source is not None:
        auth._source.tell(kind, detail)
        return
    from .._engine.process import is_heard, publish
    from .._values.clock import current_clock
    from .._values.event import TokenEvent

    if is_heard(kind):
        publish(TokenEvent(kind, type(auth).__name__, belongs(auth), current_clock().time(), detail=detail))


def warn_withheld(auth: Auth, url: str) -> None:
    """Say, once per origin, that a 401 came from an origin that the credential is not for."""
    origin = parse_origin(url)
    if origin in auth._warned or len(auth._warned) > 100:
        return
    auth._warned |= {origin}
    if origin in auth._origins:
        why = "to a request that another server redirected there, and whose method, path and body it chose"
    else:
        why = (
            f"and the credential belongs to {', '.join(map(str, auth._origins))} alone; if that is your API too,"
            f" make the auth object for it: its base_url= (OAuth2Auth: api_origins=) is {auth.base_url} now"
        )
    auth.emit("withheld", f"{origin or 'a URL that can be read in two ways'} answered 401, {why}")


def belongs(auth: Auth) -> str:
    """Return the class of an auth object, and the origins that it is for."""
    return f"{type(auth).__name__} for {', '.join(map(str, auth._origins))}"
