"""The authentication of these APIs for httpx; Kakao: `kakao.SETTINGS` and `OAuth2Auth`."""

from krauth_httpx import AdapterAuth

from .cafe24 import Cafe24AuthBase
from .coupang import CoupangAuthBase
from .kis import KISAuthBase
from .kiwoom import KiwoomAuthBase
from .ncloud import NcloudAuthBase
from .searchad import SearchAdAuthBase
from .toss import TossAuthBase
from .upbit import UpbitAuthBase


class Cafe24Auth(Cafe24AuthBase, AdapterAuth):
    """Cafe24 authentication for httpx."""


class CoupangAuth(CoupangAuthBase, AdapterAuth):
    """Coupang Wing authentication for httpx."""


class KISAuth(KISAuthBase, AdapterAuth):
    """KIS authentication for httpx."""


class KiwoomAuth(KiwoomAuthBase, AdapterAuth):
    """Kiwoom authentication for httpx."""


class NcloudAuth(NcloudAuthBase, AdapterAuth):
    """NAVER Cloud authentication for httpx."""


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for httpx."""


class TossAuth(TossAuthBase, AdapterAuth):
    """Toss Payments authentication for httpx."""


class UpbitAuth(UpbitAuthBase, AdapterAuth):
    """Upbit authentication for httpx."""
