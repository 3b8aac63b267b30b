"""krauth for HTTPie: `http --auth-type naver :…`, `http --auth-type meloming :…`; HTTPie finds the plugins itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from httpie.plugins import AuthPlugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

__all__ = ["MelomingPlugin", "NaverPlugin"]


class _Plugin(AuthPlugin):  # type: ignore[misc]  # HTTPie has no types
    """Makes an auth object of what `--auth` says; what it leaves out comes from the environment."""

    auth_require = False
    prompt_password = False
    #: HTTPie would parse the `--auth` of a saved session that has none.
    auth_parse = False
    #: The class of `krauth_requests`, which is imported when it is needed.
    auth_class: ClassVar[str]

    def get_auth(self, username: str | None = None, password: str | None = None) -> Callable[..., Any]:
        """Return the auth object that requests calls.

        Args:
            username: From a saved session of an old HTTPie; else `raw_auth` holds `client_id:client_secret`.
            password: Likewise.
        """
        import krauth_requests
        from krauth import ConfigurationError

        if self.raw_auth:
            username, _, password = self.raw_auth.partition(":")
        given = {"client_id": username, "client_secret": password}
        try:
            auth: Callable[..., Any] = getattr(krauth_requests, self.auth_class).from_env(
                **{name: value for name, value in given.items() if value}
            )
        except ConfigurationError as error:
            return _Failing(error)
        return auth


class _Failing:
    """Raises an error when the request is made: HTTPie shows it as a sentence then, and here with all its frames."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        raise self._error


class NaverPlugin(_Plugin):
    """Naver Commerce API: the environment's `NAVER_COMMERCE_…`, or `--auth client_id:client_secret`."""

    name = "Naver Commerce API"
    auth_type = "naver"
    auth_class = "NaverAuth"
    description = "NAVER_COMMERCE_CLIENT_ID and NAVER_COMMERCE_CLIENT_SECRET, or --auth client_id:client_secret"


class MelomingPlugin(_Plugin):
    """Meloming OpenAPI: the environment's `MELOMING_…`, or `--auth client_id:client_secret`."""

    name = "Meloming OpenAPI"
    auth_type = "meloming"
    auth_class = "MelomingOAuth"
    description = "MELOMING_CLIENT_ID and MELOMING_CLIENT_SECRET, or --auth client_id:client_secret"
