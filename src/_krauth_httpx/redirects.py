"""Watches the requests that httpx or httpx2 builds for redirects, so that no header field of ours goes astray.

The library copies all header fields of a request to the next hop, save `Authorization` to another origin. Its auth flow
is called around all hops and sees none of them, and neither `Headers` nor `Request` nor `extensions` of the next hop
can be anything but plain copies. So the one method that builds the next hop is wrapped: it is the same in both
libraries, in their sync and async clients, since httpx 0.13. Requests that no auth object of ours has marked pass
through untouched. It happens when the first auth object is made that needs it.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from krauth import ConfigurationError

from . import MARK

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .kinds import Request, Response

    Build = Callable[[object, Request, Response], Request]

_METHOD = "_build_redirect_request"
_lock = threading.Lock()


def watch_redirects(library: ModuleType) -> None:
    """Show each auth object the hops that its requests are redirected to; once per library.

    Raises:
        ConfigurationError: This version of the library builds them in another way: nothing may be attached then that
            it might carry to another origin.
    """
    with _lock:
        base = next((one for one in library.Client.__mro__ if _METHOD in vars(one)), None)
        if base is None or not issubclass(library.AsyncClient, base):
            raise ConfigurationError(
                f"{library.__name__} {library.__version__} follows redirects in a way that krauth does not know, and"
                " might carry an API key or a signature to another server: use a version that krauth was tested with"
            )
        build = vars(base)[_METHOD]
        if not hasattr(build, "__krauth__"):
            setattr(base, _METHOD, _watched(build))


def _watched(build: Build) -> Build:
    @functools.wraps(build)
    def build_redirect_request(self: object, request: Request, response: Response) -> Request:
        built = build(self, request, response)
        auth = built.extensions.get(MARK)
        if auth is not None:
            auth.on_redirect(built, built.stream is request.stream)
        return built

    build_redirect_request.__krauth__ = True  # type: ignore[attr-defined]
    return build_redirect_request
