"""The authentication of these APIs for aiohttp; Kakao: `kakao.SETTINGS` and `OAuth2Auth`."""

from krauth_aiohttp import AdapterAuth

from .cafe24 import Cafe24AuthBase
from .coupang import CoupangAuthBase
from .kis import KISAuthBase
from .kiwoom import KiwoomAuthBase
from .ncloud import NcloudAuthBase
from .searchad import SearchAdAuthBase
from .toss import TossAuthBase
from .upbit import UpbitAuthBase


class Cafe24Auth(Cafe24AuthBase, AdapterAuth):
    """Cafe24 authentication for aiohttp."""


class CoupangAuth(CoupangAuthBase, AdapterAuth):
    """Coupang Wing authentication for aiohttp."""


class KISAuth(KISAuthBase, AdapterAuth):
    """KIS authentication for aiohttp."""


class KiwoomAuth(KiwoomAuthBase, AdapterAuth):
    """Kiwoom authentication for aiohttp."""


class NcloudAuth(NcloudAuthBase, AdapterAuth):
    """NAVER Cloud authentication for aiohttp."""


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for aiohttp."""


class TossAuth(TossAuthBase, AdapterAuth):
    """Toss Payments authentication for aiohttp."""


class UpbitAuth(UpbitAuthBase, AdapterAuth):
    """Upbit authentication for aiohttp."""
