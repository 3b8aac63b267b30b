"""Naver Search Ad authentication for aiohttp."""

from krauth_aiohttp import AdapterAuth

from . import SearchAdAuthBase


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for aiohttp."""
