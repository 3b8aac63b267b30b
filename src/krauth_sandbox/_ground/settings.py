"""A settings file (TOML) → the arguments of `Sandbox`; one table says what may stand in it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a value must be → how to say so.
_Rule = tuple["Callable[[Any], bool]", str]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable()


_TEXT: Final[_Rule] = (_is_text, "a text")
_TEXTS: Final[_Rule] = (lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of texts")
_PORT: Final[_Rule] = (lambda value: type(value) is int and 0 <= value <= 65535, "a port from 0 to 65535")
_YES_NO: Final[_Rule] = (lambda value: isinstance(value, bool), "true or false")
_FACTOR: Final[_Rule] = (lambda value: type(value) in (int, float) and 0 < value <= 1e6, "a number up to 1000000")
_SELLERS: Final[_Rule] = (
    lambda value: isinstance(value, dict) and bool(value) and all(map(_is_text, [*value, *value.values()])),
    "a table of at least one account id = account uid",
)
_CLIENTS: Final[_Rule] = (
    lambda value: (
        isinstance(value, dict)
        and all(map(_is_text, value))
        and all(isinstance(one, bool) or _is_text(one) for one in value.values())
    ),
    "a table of client id = secret, true for a random secret, or false for none (a public client)",
)

#: Where it stands in the file → (its rule, the argument of `Sandbox`).
_TABLE: Final[dict[str, tuple[_Rule, str]]] = {
    "speed": (_FACTOR, "speed"),
    "hosts": (_TEXTS, "hosts"),
    "naver.port": (_PORT, "naver_port"),
    "naver.client_id": (_TEXT, "naver_client_id"),
    "naver.client_secret": (_TEXT, "naver_client_secret"),
    "naver.sellers": (_SELLERS, "naver_accounts"),
    "meloming.port": (_PORT, "meloming_port"),
    "meloming.clients": (_CLIENTS, "meloming_clients"),
    "meloming.users": (_TEXTS, "meloming_users"),
    "meloming.redirect_uris": (_TEXTS, "meloming_redirect_uris"),
    "meloming.api_key": (_TEXT, "meloming_api_key"),
    "meloming.test_api_key": (_TEXT, "meloming_test_api_key"),
    "meloming.rotation": (_YES_NO, "rotation"),
    "meloming.reuse_detection": (_YES_NO, "reuse_detection"),
}
_SECTIONS: Final = frozenset(name.partition(".")[0] for name in _TABLE if "." in name)


def read_settings(text: str) -> dict[str, Any]:
    """Return the arguments of `Sandbox` that a settings file names.

    Args:
        text: TOML, such as `[naver]`, `port = 8081`, `[naver.sellers]`, `shop = "ncp_1shop"`.

    Raises:
        ValueError: It is not TOML, or sets what the sandbox does not know; no value is quoted.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise ValueError("the file is not TOML") from None
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if name in _SECTIONS and isinstance(value, dict):
            flat.update({f"{name}.{inner}": one for inner, one in value.items()})
        else:
            flat[name] = value
    if unknown := sorted(flat.keys() - _TABLE.keys()):
        raise ValueError(f"the file sets {unknown[0][:60]!r}; known are {', '.join(_TABLE)}")
    for name, value in flat.items():
        (is_right, expected), _ = _TABLE[name]
        if not is_right(value):
            raise ValueError(f"{name} in the file must be {expected}")
    return {_TABLE[name][1]: value for name, value in flat.items()}
