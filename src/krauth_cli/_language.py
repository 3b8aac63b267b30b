"""Which language the command line speaks: English or Korean, as the locale says."""

from __future__ import annotations

import os
from typing import Final

LANGUAGES: Final = ("en", "ko")


def default_language() -> str:
    """Return `ko` where the locale's messages are Korean, else `en`; the order is POSIX's."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ko" if locale.lower().startswith("ko") else "en"
