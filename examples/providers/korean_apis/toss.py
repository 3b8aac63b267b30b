"""Toss Payments (토스페이먼츠): a secret key as HTTP Basic, the same with every call.

Source: https://docs.tosspayments.com/reference/using-api/authorization (the key is the user name, the password is
empty: Base64 of the key and a colon; a key begins with `test_sk`, `live_sk`, `test_gsk` or `live_gsk`).

Nothing is repeated after a refusal. `Idempotency-Key` is the caller's: give it as a header field.

Unverified, since we could not call the API: that no other prefix is in use for secret keys. A client key (`…_ck…`),
which the documents tell apart from a secret key, is refused before anything is sent.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Self

from krauth import ConfigurationError
from krauth.provider import OriginAuth, Secret, hide, require_env, require_text, use_origins

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL = "https://api.tosspayments.com"


class TossAuthBase(OriginAuth):
    """Toss Payments authentication: what the four stacks' `TossAuth` have in common.

    Args:
        secret_key: From 개발자센터 > API 키: the secret key, not the client key.
        base_url: Of the API.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    extra_names = ("Authorization",)
    fixed_headers = True

    def __init__(self, secret_key: str | Secret, *, base_url: str = BASE_URL) -> None:
        self._secret_key = hide(secret_key)
        del secret_key  # a traceback that shows local variables does not show it
        require_text(self._secret_key, "secret_key")
        if re.match(r"(test|live)_g?ck_", self._secret_key.reveal()):
            raise ConfigurationError(
                "secret_key is a client key: take the secret key (…_sk_…) from 개발자센터 > API 키"
            )
        use_origins(self, base_url)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `TOSS_SECRET_KEY`."""
        return cls(require_env("TOSS_SECRET_KEY"), **settings)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return HTTP Basic with the secret key as the user name."""
        return {"Authorization": "Basic " + base64.b64encode(f"{self._secret_key.reveal()}:".encode()).decode()}
