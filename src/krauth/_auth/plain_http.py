"""Checks of an API over plain http, which is for this machine alone: no name that leads elsewhere, no proxy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .._values.event import logger
from .._values.exceptions import ConfigurationError
from .._values.origin import Origin

if TYPE_CHECKING:
    from .settings import Resolver

#: The environment variables that send plain http through a proxy.
_PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
#: Origins that a warning about a proxy named.
_warned_proxies: set[Origin] = set()


def check_plain_http(origin: Origin, resolve: Resolver | None) -> None:
    """Refuse a name that does not lead to this machine, and warn of a proxy in between.

    Args:
        origin: One with the scheme http, of this machine by its name.
        resolve: `socket.getaddrinfo`; `None`: no name is looked up.

    Raises:
        ConfigurationError: The name leads to another machine, or nowhere.
    """
    if origin.host.endswith(".localhost") and resolve is not None:
        # RFC 6761 §6.3 lets a resolver answer "localhost" names with loopback addresses, and not all do.
        try:
            found = {entry[4][0].partition("%")[0] for entry in resolve(origin.host, origin.port)}
        except OSError:
            found = set()
        if not found or not all(Origin("http", address, 80).is_loopback for address in found):
            raise ConfigurationError(
                f"{origin} does not lead to this machine here, and plain http is for this machine alone:"
                " use http://127.0.0.1 or https"
            )
    name = next((one for one in _PROXY_VARIABLES if os.environ.get(one)), None)
    if name is not None and origin not in _warned_proxies and not _is_excepted(origin.host):
        _warned_proxies.add(origin)
        logger.warning(
            "%s names a proxy, and NO_PROXY does not except %s: a client that follows them sends calls to %s, and"
            " the credential, to that proxy in plain text; set NO_PROXY=%s",
            *(name, origin.host, origin, origin.host),
        )


def _is_excepted(host: str) -> bool:
    """Whether NO_PROXY names a host, the end of its name, or all."""
    names = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    return any(
        name == "*" or host == name or host.endswith(f".{name}")
        for name in (one.strip().lstrip(".").lower() for one in names)
        if name
    )
