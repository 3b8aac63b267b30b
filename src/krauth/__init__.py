"""krauth: authentication for Korean commerce and content APIs, for the HTTP client you already use.

This package is the core; use it through `krauth_requests`, `krauth_httpx`, `krauth_httpx2` or `krauth_aiohttp`.
"""

from typing import TYPE_CHECKING

from ._values.exceptions import (
    AccessDenied,
    AuthorizationError,
    AuthorizationRequired,
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    InvalidTokenResponse,
    IPNotAllowedError,
    KrauthError,
    RateLimitError,
    StateMismatch,
    StoreConflict,
    TokenEndpointError,
    TokenError,
    TokenServerError,
    TokenStoreError,
    TokenTransportError,
)
from ._values.lazy import lazy_names as _lazy_names

if TYPE_CHECKING:
    from ._engine.health import forget_failures, health
    from ._oauth.authorization import AuthorizationRequest
    from ._oauth.endpoints import TokenInfo
    from ._plugins import register_plugin
    from ._values.event import TokenEvent
    from ._values.messages import HTTPRequest, HTTPResponse
    from ._values.token import RefreshPolicy, Token, TokenState
    from .hookspecs import hookimpl, hookspec
    from .stores import MemoryStore, TokenStore

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "AuthorizationError",
    "AuthorizationRequest",
    "AuthorizationRequired",
    "ConfigurationError",
    "HTTPRequest",
    "HTTPResponse",
    "IPNotAllowedError",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidTokenResponse",
    "KrauthError",
    "MemoryStore",
    "RateLimitError",
    "RefreshPolicy",
    "StateMismatch",
    "StoreConflict",
    "Token",
    "TokenEndpointError",
    "TokenError",
    "TokenEvent",
    "TokenInfo",
    "TokenServerError",
    "TokenState",
    "TokenStore",
    "TokenStoreError",
    "TokenTransportError",
    "__version__",
    "forget_failures",
    "health",
    "hookimpl",
    "hookspec",
    "register_plugin",
]

#: Imported when asked for: most processes need few of them, and pluggy only those that have plugins.
__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "AuthorizationRequest": "_oauth.authorization",
        "HTTPRequest": "_values.messages",
        "HTTPResponse": "_values.messages",
        "MemoryStore": "stores",
        "RefreshPolicy": "_values.token",
        "Token": "_values.token",
        "TokenEvent": "_values.event",
        "TokenInfo": "_oauth.endpoints",
        "TokenState": "_values.token",
        "TokenStore": "stores",
        "forget_failures": "_engine.health",
        "health": "_engine.health",
        "hookimpl": "hookspecs",
        "hookspec": "hookspecs",
        "register_plugin": "_plugins",
        "stores": "",
    },
)
