"""The Naver Commerce API for requests."""

from krauth.naver import NaverAuthBase

from ._auth import RequestsAuth


class NaverAuth(NaverAuthBase, RequestsAuth):
    """Naver Commerce API authentication for requests."""
