"""krauth's own token stores, a plugin like any other: `sqlite`, `redis`, `sql`, `keyring`, `encrypted`."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from krauth import ConfigurationError
from krauth.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth import TokenStore

__all__ = ["krauth_register_token_stores"]

#: scheme → (module here, extra that installs what it needs)
_STORES = {
    "sqlite": ("sqlite", None),
    "redis": ("redis", "redis"),
    "rediss": ("redis", "redis"),
    "unix": ("redis", "redis"),
    "redis+cluster": ("redis", "redis"),
    "rediss+cluster": ("redis", "redis"),
    "redis+sentinel": ("redis", "redis"),
    "rediss+sentinel": ("redis", "redis"),
    "sql": ("sql", "sql"),
    "keyring": ("keyring", "keyring"),
    "encrypted": ("encrypted", "encryption"),
}

#: What a program that is packed into one file has to contain.
MODULES = sorted({__name__, *(f"{__name__}.{module}" for module, _ in _STORES.values())})


@hookimpl
def krauth_register_token_stores(register: Callable[[str, Callable[[str], TokenStore]], None]) -> None:
    """Bind the schemes; a store's module and its library are imported when one is opened."""
    for scheme, (module, extra) in _STORES.items():
        register(scheme, functools.partial(_open, scheme, module, extra))


def _open(scheme: str, module: str, extra: str | None, url: str) -> TokenStore:
    try:
        imported = importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith(__name__):
            raise
        raise ConfigurationError(
            f"token stores under {scheme}:// need the package {error.name!r}, which is not installed:"
            f" pip install 'krauth[{extra}]'"
        ) from None
    store: TokenStore = imported.open_url(url)
    return store
