"""Naver Search Ad authentication for httpx."""

from krauth_httpx import AdapterAuth

from . import SearchAdAuthBase


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for httpx."""
