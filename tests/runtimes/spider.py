"""A spider of Scrapy with `examples/scrapy_client`: it asks, has the token revoked, posts, and leaves for another server."""

from __future__ import annotations

import json
import os
from typing import ClassVar

import scrapy
from scrapy.crawler import CrawlerProcess

from krauth_requests import NaverAuth


class Spider(scrapy.Spider):
    """Prints one line of JSON for each answer."""

    name = "krauth"
    custom_settings: ClassVar = {
        "DOWNLOADER_MIDDLEWARES": {"middleware.KrauthMiddleware": 560},
        "KRAUTH_AUTH": NaverAuth.from_env,
        "LOG_LEVEL": "WARNING",
        "TELNETCONSOLE_ENABLED": False,
    }

    async def start(self):
        """Ask for the account."""
        yield scrapy.Request(os.environ["NAVER_COMMERCE_BASE_URL"] + "/v1/seller/account", self.first)

    def first(self, response):
        """Revoke the token, and post."""
        print(json.dumps(["first", response.status, sorted(response.json())]))
        yield scrapy.Request(os.environ["REVOKE"], self.second, method="POST", headers={"X-Krauth-Sandbox": "yes"})

    def second(self, response):
        """Post to the API with the token that is refused now."""
        url = os.environ["NAVER_COMMERCE_BASE_URL"] + "/v1/echo"
        yield scrapy.Request(url, self.third, method="POST", body=b"abc", headers={"Content-Type": "text/plain"})

    def third(self, response):
        """Be redirected to another server."""
        print(json.dumps(["second", response.status, response.json()["length"]]))
        yield scrapy.Request(os.environ["ELSEWHERE"], self.fourth, meta={"handle_httpstatus_list": [401]})

    def fourth(self, response):
        """Show where it ended."""
        print(json.dumps(["third", response.url]))


if __name__ == "__main__":
    process = CrawlerProcess()
    process.crawl(Spider)
    process.start()
