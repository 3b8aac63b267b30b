"""krauth for httpx: `httpx.Client(auth=NaverAuth(…))`, `httpx.AsyncClient(auth=NaverAuth(…))`."""

from typing import TYPE_CHECKING

from krauth._values.lazy import lazy_names

if TYPE_CHECKING:
    from ._auth import ClientAuth as AdapterAuth
    from ._auth import TokenTransport
    from ._meloming import MelomingAPIKey, MelomingOAuth
    from ._naver import NaverAuth
    from ._oauth2 import OAuth2Auth

__all__ = ["AdapterAuth", "MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"]

#: A program that uses one provider does not load the others.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AdapterAuth": "_auth",
        "MelomingAPIKey": "_meloming",
        "MelomingOAuth": "_meloming",
        "NaverAuth": "_naver",
        "OAuth2Auth": "_oauth2",
        "TokenTransport": "_auth",
    },
    library="httpx",
)
