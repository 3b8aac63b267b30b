"""krauth for HTTPie: `http --auth-type naver :…`, `http --auth-type meloming :…`; HTTPie finds the plugins itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from httpie.plugins import AuthPlugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase

__all__ = ["MelomingPlugin", "NaverPlugin"]


def _make(of: Callable[..., AuthBase], client_id: str | None, client_secret: str | None) -> AuthBase:
    """Make an auth object of what `--auth` says; what it leaves out comes from the environment."""

    given = {"client_id": client_id, "client_secret": client_secret}
    return of(**{name: value for name, value in given.items() if value})


class NaverPlugin(AuthPlugin):  # type: ignore[misc]  # HTTPie has no types
    """Naver Commerce API: the environment's `NAVER_COMMERCE_…`, or `--auth client_id:client_secret`."""

    name = "Naver Commerce API"
    auth_type = "naver"
    description = "NAVER_COMMERCE_CLIENT_ID and NAVER_COMMERCE_CLIENT_SECRET, or --auth client_id:client_secret"
    auth_require = False
    prompt_password = False

    def get_auth(self, username: str | None = None, password: str | None = None) -> Any:
        """Return the auth object that requests calls."""
        from krauth_requests import NaverAuth

        return _make(NaverAuth.from_env, username, password)


class MelomingPlugin(AuthPlugin):  # type: ignore[misc]
    """Meloming OpenAPI: the environment's `MELOMING_…`, or `--auth client_id:client_secret`."""

    name = "Meloming OpenAPI"
    auth_type = "meloming"
    description = "MELOMING_CLIENT_ID and MELOMING_CLIENT_SECRET, or --auth client_id:client_secret"
    auth_require = False
    prompt_password = False

    def get_auth(self, username: str | None = None, password: str | None = None) -> Any:
        """Return the auth object that requests calls."""
        from krauth_requests import MelomingOAuth

        return _make(MelomingOAuth.from_env, username, password)
