"""What can be switched at Meloming; the emulator is one of these, and hands itself to the consent page and the API."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from .._ground.parsers import boolean, choice, number, whole
from .._ground.switches import Switch, Switches
from .errors import SHAPES
from .vault import ACCESS_LIFETIME

#: plan → (requests a minute, requests a month).
PLANS: Final = {"free": (60, 10_000), "pro": (300, 100_000)}
_YES_NO: Final = ("true", "false")


class MelomingSettings(Switches):
    """The switches, and what follows from them."""

    rotation = Switch(True, boolean, choices=_YES_NO)
    """A refresh answers with a new refresh token and spends the old one; False: it answers with none."""
    reuse_detection = Switch(True, boolean, choices=_YES_NO)
    """Using a spent refresh token revokes everything that came of the same consent."""
    application_active = Switch(True, boolean, choices=_YES_NO)
    """False: token requests answer 500 INTERNAL_ERROR, as reported for applications that are not active."""
    plan = Switch("free", choice(*PLANS), choices=tuple(PLANS))
    """`free`: 60 requests a minute and 10,000 a month; `pro`: 300 and 100,000."""
    rate_limit: Switch[int | None] = Switch(None, whole(0, 1_000_000))
    """Requests a minute in place of the plan's; announced in headers, enforced with `enforce_rate_limit`."""
    month_limit: Switch[int | None] = Switch(None, whole(0, 10_000_000))
    """Requests a month (30 days of the token clock) in place of the plan's, enforced with `enforce_rate_limit`."""
    send_iss = Switch(False, boolean, choices=_YES_NO)
    """Add `iss` to authorization responses (RFC 9207)."""
    accept_basic = Switch(False, boolean, choices=_YES_NO)
    """Accept client credentials in an Authorization header too; the document knows only the body."""
    error_shape = Switch("code", choice(*SHAPES), choices=tuple(SHAPES))
    """How an API error looks: `code`, `error` or `nested`."""
    lifetime = Switch(float(ACCESS_LIFETIME), number(1, 1e9))
    """Seconds that a new access token lives, before they are divided by `speed`."""
    allow_loopback = Switch(True, boolean, choices=_YES_NO)
    """Accept any http://127.0.0.1:<port>/… and http://[::1]:<port>/… (RFC 8252 §7.3)."""
    redirect_uris: Switch[list[str]] = Switch(list)
    """Registered redirect URIs, compared exactly; loopback ones need no registration."""
    scopes: Switch[frozenset[str] | None] = Switch(None)
    """The scopes that exist, or None: any well-formed scope is granted as asked."""
    default_scope = Switch("read write")
    """Granted to a request that names no scope."""
    denied_channels: Switch[set[str]] = Switch(lambda: {"403"})
    """Channels whose writes are 403 PERMISSION_DENIED for everyone."""
    missing_channels: Switch[set[str]] = Switch(lambda: {"404"})
    """Channels that do not exist."""
    usernames: Switch[list[str]] = Switch(lambda: ["melo", "ming"])
    """Suggested on the consent page; any other name does as well."""

    @property
    def limits(self) -> tuple[int, int]:
        """Requests a minute and a month."""
        minute, month = PLANS[self.plan]
        return (
            minute if self.rate_limit is None else self.rate_limit,
            month if self.month_limit is None else self.month_limit,
        )

    def is_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether a browser may be sent there with a code."""
        if redirect_uri in self.redirect_uris:
            return True
        if not self.allow_loopback:
            return False
        # RFC 8252 §7.3: loopback IP literals, "MUST allow any port"; RFC 6749 §3.1.2: no fragment.
        try:
            parts = urlsplit(redirect_uri)
            loopback = ipaddress.ip_address(parts.hostname or "").is_loopback
            port = parts.port
        except ValueError:
            return False
        odd = "#" in redirect_uri or "@" in parts.netloc or "\\" in redirect_uri or not redirect_uri.isprintable()
        return parts.scheme == "http" and loopback and port is not None and not odd and " " not in redirect_uri
