"""Which requests are answered at all: none that a web page of another site has sent, none under a foreign name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._ground.reply import Reply, answer_json, wrong

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web


def closed_to(request: web.Request, hosts: Collection[str] = ()) -> Reply | None:
    """Return the refusal for a request that a foreign web page may have sent, else None.

    Programs pass: they send no Origin and no Sec-Fetch-Site, and they address the sandbox by a loopback name.
    """
    # A page whose own name was made to lead to 127.0.0.1 (DNS rebinding) sends that name as Host.
    if not is_home(_host_of(f"//{request.headers.get('Host', '')}"), hosts):
        return _refuse(421, "The Host header names another server. Address the sandbox as 127.0.0.1 or localhost.")
    origin = request.headers.get("Origin")
    # Fetch standard: browsers send Origin with every POST; it is `null` for pages that hide theirs.
    if origin is not None and not is_home(_host_of(origin), hosts):
        return _refuse(403, "A web page of another site has sent this request (Origin header).")
    # Images and scripts of other sites bring no Origin. A link that a person follows is a navigation.
    headers = request.headers
    embedded = headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"
    if origin is None and embedded:
        return _refuse(403, "A web page of another site has embedded this address (Sec-Fetch-Site header).")
    return None


def is_home(host: str, hosts: Collection[str] = ()) -> bool:
    """Tell whether this names this machine: loopback, `localhost`, `….localhost` (RFC 6761) or one of `hosts`."""
    if host == "localhost" or host.endswith(".localhost") or host in hosts:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refuse(status: int, text: str) -> Reply:
    problem = wrong(text)
    return answer_json({"error": str(problem)}, status=status, wrong=problem)
