"""The Naver Commerce API for aiohttp."""

from krauth.naver import NaverAuthBase

from ._auth import MiddlewareAuth


class NaverAuth(NaverAuthBase, MiddlewareAuth):
    """Naver Commerce API authentication for aiohttp."""
