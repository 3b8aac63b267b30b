"""krauth for httpx2: `httpx2.Client(auth=NaverAuth(…))`, `httpx2.AsyncClient(auth=NaverAuth(…))`."""

from typing import TYPE_CHECKING

from krauth._values.lazy import adapter_names

if TYPE_CHECKING:
    from ._auth import ClientAuth as AdapterAuth
    from ._meloming import MelomingOAuth
    from ._meloming_key import MelomingAPIKey
    from ._naver import NaverAuth
    from ._oauth2 import OAuth2Auth
    from ._transport import TokenTransport

__all__ = ["AdapterAuth", "MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"]

__getattr__, __dir__ = adapter_names(__name__, "httpx2")
