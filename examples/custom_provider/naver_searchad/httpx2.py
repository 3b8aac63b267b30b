"""Naver Search Ad authentication for httpx2."""

from krauth_httpx2 import AdapterAuth

from . import SearchAdAuthBase


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for httpx2."""
