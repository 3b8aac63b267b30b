"""What is true of each request to the Meloming OpenAPI: its address, the API key, the version. Part of `meloming`.

A module of its own, so that a program with an API key loads nothing of OAuth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

from ._auth.origin_auth import OriginAuth
from ._auth.settings import Fixed
from ._values import secret as secret_module
from ._values.checks import read_env, refuse_quotes, require_env, require_text
from ._values.exceptions import ConfigurationError
from ._values.guard import no_secret
from ._values.language import add_catalogue
from ._values.origin import check_base_url, parse_origin
from ._values.secret import Secret, hide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._values.secret import SecretValue

BASE_URL = "https://openapi.meloming.com"
API_KEY_HEADER = "X-API-Key"
VERSION_HEADER = "Meloming-Version"

_API_KEY = r"mlm_(live|test)_[!-~]+"
no_secret("mlm_live_", "mlm_test_")


@add_catalogue
def _korean_remedies() -> Mapping[str, str]:
    from ._meloming_korean import REMEDIES

    return REMEDIES


def check_api_key(value: object) -> Secret:
    """Return an API key as a `Secret`, or raise `ConfigurationError` when it can't be one; never quotes it."""
    key = hide(value)
    del value  # or a traceback with local variables would show it
    if (read := getattr(key.reveal() if key is not None else None, "get_secret_value", None)) is not None:
        key = hide(read())  # pydantic.SecretStr
    if key is None or key.reveal() == "":
        raise ConfigurationError("api_key is empty; set MELOMING_API_KEY")
    if not isinstance(key.reveal(), str):
        raise ConfigurationError(f"api_key must be a string, not {type(key.reveal()).__name__}")
    if secret_module.accepts_dummies:
        return key
    refuse_quotes(key, "api_key")
    if not re.fullmatch(_API_KEY, key.reveal()):
        raise ConfigurationError(
            "api_key does not look like one: it begins with mlm_live_ or mlm_test_ and holds no white space;"
            " copy it again from the developer center"
        )
    return key


def check_version(version: str | None) -> str | None:
    """Return a version of the API that can stand in a header field, or raise `ConfigurationError`."""
    if version is None:
        return None
    if not re.fullmatch(r"[0-9A-Za-z._-]{1,64}", require_text(version, "version", "write it as in '2026-01-11'")):
        raise ConfigurationError("version must be a version of the API such as '2026-01-11'")
    return version


def api_key_environment(api_key: Secret) -> str:
    """Return `"live"` or `"test"`, as the key's prefix says."""
    return api_key.reveal().split("_", 2)[1]


class MelomingFields(OriginAuth):
    """The header fields of all requests: API key and version."""

    fixed_headers = True
    _api_key: Secret | None = None
    _version: str | None = None
    #: Only to be read: an assignment would change nothing.
    api_key = Fixed(None)
    version = Fixed(lambda auth: auth._version)

    def _set_fields(self, api_key: Secret | None, version: str | None) -> None:
        self._api_key = None if api_key is None else check_api_key(api_key)
        self._version = check_version(version)
        names = {API_KEY_HEADER: self._api_key, VERSION_HEADER: self._version}
        self.extra_names = tuple(name for name, value in names.items() if value is not None)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the fields of the API key and of the version, where there are such."""
        fields = {} if self._version is None else {VERSION_HEADER: self._version}
        if self._api_key is not None:
            fields[API_KEY_HEADER] = self._api_key.reveal()
        return fields


class MelomingAPIKeyBase(MelomingFields):
    """An API key for the Meloming OpenAPI: what the four stacks' `MelomingAPIKey` have in common."""

    def __init__(
        self, api_key: str | Secret | SecretValue, *, base_url: str = BASE_URL, version: str | None = None
    ) -> None:
        """Check the settings.

        Args:
            api_key: `mlm_live_…` or `mlm_test_…`: a string, or an object with `get_secret_value()`.
            base_url: Of the API.
            version: The `Meloming-Version` of all requests, such as `"2026-01-11"`; `None`: none.

        Raises:
            ConfigurationError: A setting can't be right.
        """
        key = hide(api_key)
        del api_key
        self._set_fields(key or Secret(""), version)
        self.base_url = check_base_url(base_url)
        origin = parse_origin(self.base_url)
        self._set_origins((origin,) if origin else ())

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `MELOMING_API_KEY` and, if set, `MELOMING_BASE_URL`.

        Args:
            settings: Keyword arguments of the class; they win over the environment.

        Raises:
            ConfigurationError: A variable is missing or can't be right.
        """
        key = hide(settings.pop("api_key", None))
        read_base_url(settings)
        return cls(require_env("MELOMING_API_KEY") if key is None else key, **settings)

    @property
    def environment(self) -> str:
        """`"live"` or `"test"`, as the key's prefix says."""
        assert self._api_key is not None
        return api_key_environment(self._api_key)


def read_base_url(settings: dict[str, Any]) -> None:
    """Take the base URL from the environment, unless the settings name one."""
    if "base_url" not in settings and (base_url := read_env("MELOMING_BASE_URL")) is not None:
        settings["base_url"] = base_url
