"""The page of `consent` operated without a browser, over HTTP as a client does."""

from __future__ import annotations

from html.parser import HTMLParser
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from http.client import HTTPResponse

_TIMEOUT = 10.0


class _Form(HTMLParser):
    """The fields and the target of the one form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values.get("action", "")
        elif tag == "input" and values.get("type") == "hidden":
            self.hidden[values["name"]] = values["value"]


def approve(authorization_url: str, username: str, *, deny: bool) -> str:
    """Open the URL, fill in the form, and return the URL to which the server sends the browser.

    Raises ValueError where the server shows an error page instead of redirecting.
    """
    parts = urlsplit(authorization_url)
    if parts.scheme != "http" or parts.hostname is None:
        raise ValueError("the sandbox serves plain http on loopback: the authorization URL must be its own")
    connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=_TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        page = response.read().decode("utf-8")
        if response.status == 302:  # refused before the user was asked, such as invalid_scope
            return _location(response)
        form = _Form(page)
        if response.status != 200 or form.action is None:
            raise ValueError(f"no consent page but HTTP {response.status}: check client_id and redirect_uri")
        cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]
        decision = "deny" if deny else "allow"
        body = urlencode({**form.hidden, "username": username, "decision": decision})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
        connection.request("POST", form.action, body=body, headers=headers)
        response = connection.getresponse()
        response.read()
        if response.status != 303:
            raise ValueError(f"the consent was refused with HTTP {response.status}")
        return _location(response)
    finally:
        connection.close()


def _location(response: HTTPResponse) -> str:
    location = response.getheader("Location")
    if location is None:
        raise ValueError("the server redirects without a Location")
    return location
