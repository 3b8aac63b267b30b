"""The hooks a plugin may implement; `_plugins` calls them. Plugins are found by the entry-point group `krauth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._values.event import TokenEvent
    from .stores import TokenStore

hookspec = pluggy.HookspecMarker("krauth")
hookimpl = pluggy.HookimplMarker("krauth")


@hookspec
def krauth_register_token_stores(register: Callable[[str, Callable[[str], TokenStore]], None]) -> None:
    """Bind URL schemes to factories: `register("vault", open_vault)`, and `open_vault(url)` returns a `TokenStore`.

    A factory is called only when a user names a URL of its scheme. It may raise `ConfigurationError`.
    """


@hookspec
def krauth_token_event(event: TokenEvent) -> None:
    """Observe what happens to tokens. Called in a worker thread or in the caller's; return soon, never block."""
