"""Naver Search Ad authentication for requests."""

from krauth_requests import AdapterAuth

from . import SearchAdAuthBase


class SearchAdAuth(SearchAdAuthBase, AdapterAuth):
    """Naver Search Ad authentication for requests."""
