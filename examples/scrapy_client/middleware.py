"""A downloader middleware for Scrapy: krauth gives the header fields of each request and says when to repeat it.

    class AccountSpider(scrapy.Spider):
        custom_settings = {
            "DOWNLOADER_MIDDLEWARES": {"middleware.KrauthMiddleware": 560},
            "KRAUTH_AUTH": NaverAuth.from_env,
        }

The number lies below 600, that of Scrapy's own redirects: each hop passes through here and gets fields for its own URL.
Scrapy's HTTP cache tells requests apart by URL, not by header fields: give each seller a cache folder of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from krauth.provider import OriginAuth

__all__ = ["KrauthMiddleware"]

#: Where a request keeps the fields that it was sent with, and those that `refused` gave for its repetition.
SENT, AGAIN = "krauth_sent", "krauth_again"


class KrauthMiddleware:
    """Sends requests with the credential of an auth object.

    Args:
        auth: Of any of krauth's packages; its asynchronous methods are used.
    """

    def __init__(self, auth: OriginAuth) -> None:
        self.auth = auth

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one as the setting `KRAUTH_AUTH` says: an auth object, or a function that makes one."""
        auth: Any = crawler.settings["KRAUTH_AUTH"]
        return cls(auth() if callable(auth) and not hasattr(auth, "aheaders") else auth)

    async def process_request(self, request: Request) -> None:
        """Put the fields on a request to the API; a redirect to another server carries none of them."""
        for name in request.meta.pop(SENT, ()):
            request.headers.pop(name, None)
        fields = request.meta.pop(AGAIN, None)
        if fields is None:
            fields = await self.auth.aheaders(request.method, request.url, request.body)
        request.headers.update(fields)
        request.meta[SENT] = fields

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        """Let a request that was refused be sent once more, where other fields may help."""
        headers = response.headers.to_unicode_dict()
        sent = request.meta.get(SENT, {})
        again = await self.auth.arefused(
            request.method, response.url, response.status, headers, response.body[:65536], sent
        )
        if again is None:
            return response
        return request.replace(dont_filter=True, meta={**request.meta, AGAIN: again})
