"""The authentication of these APIs for requests; Kakao: `kakao.SETTINGS` and `OAuth2Auth`."""

from krauth_requests import AdapterAuth

from .cafe24 import Cafe24AuthBase
from .coupang import CoupangAuthBase
from .kis import KISAuthBase
from .kiwoom import KiwoomAuthBase
from .ncloud import NcloudAuthBase
from .searchad import SearchAdAuthBase
from .toss import TossAuthBase
from .upbit import UpbitAuthBase


class Cafe24Auth(Cafe24AuthBase, AdapterAuth):
    """Cafe24 authentication for requests."""


class CoupangAuth(CoupangAuthBase, AdapterAuth):
    """Coupang Wing authentication for requests."""


class KISAuth(KISAuthBase, AdapterAuth):
    """KIS authentication for requests."""


class KiwoomAuth(KiwoomAuthBase, AdapterAuth):
    """Kiwoom authentication for requests."""


class NcloudAuth(NcloudAuthBase, AdapterAuth):
    """NAVER Cloud authentication for requests."""


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for requests."""


class TossAuth(TossAuthBase, AdapterAuth):
    """Toss Payments authentication for requests."""


class UpbitAuth(UpbitAuthBase, AdapterAuth):
    """Upbit authentication for requests."""
