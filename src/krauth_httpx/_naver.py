"""The Naver Commerce API for httpx."""

from krauth.naver import NaverAuthBase

from ._auth import ClientAuth


class NaverAuth(NaverAuthBase, ClientAuth):
    """Naver Commerce API authentication for httpx."""
