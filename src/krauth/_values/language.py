"""The language of the locale, and the Korean remedy for an error: exceptions carry it, the command line prints it."""

from __future__ import annotations

import os


def default_language() -> str:
    """Return `ko` where the locale's messages are Korean, else `en`; the order is POSIX's."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ko" if locale.lower().startswith("ko") else "en"


def remedies(message: str, kinds: tuple[str, ...]) -> list[str]:
    """Return what to do about an error, in Korean; nothing where the locale is not Korean.

    Args:
        message: The error's English text; what it holds of the catalogue is said in Korean.
        kinds: The names of the error's classes, the nearest first: for an error that is not in the catalogue.
    """
    if default_language() == "en":
        return []
    from .korean import KINDS, REMEDIES

    found = [korean for english, korean in REMEDIES.items() if english in message]
    return found or [KINDS[kind] for kind in kinds if kind in KINDS][:1]
