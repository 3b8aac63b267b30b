"""The language of the locale, and the Korean remedy for an error: exceptions carry it, the command line prints it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: Loads a catalogue: a remedy as the library writes it, or a part of a message → Korean.
    Catalogue = Callable[[], Mapping[str, str]]

#: The catalogues of the providers that were imported. The texts are loaded when a remedy is first asked for.
_catalogues: list[Catalogue] = []


def default_language() -> str:
    """Return `ko` where the locale's messages are Korean, else `en`; the order is POSIX's."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ko" if locale.lower().startswith("ko") else "en"


def add_catalogue(catalogue: Catalogue) -> Catalogue:
    """Take the Korean remedies for the errors of one provider; called when its module is imported."""
    _catalogues.append(catalogue)
    return catalogue


def catalogue() -> dict[str, str]:
    """Return every Korean remedy: those of the imported providers, then the library's own."""
    from .korean import REMEDIES

    found: dict[str, str] = {}
    for load in _catalogues:
        found |= load()
    return found | REMEDIES


def remedies(message: str, kinds: tuple[str, ...]) -> list[str]:
    """Return what to do about an error, in Korean; nothing where the locale is not Korean.

    Args:
        message: The error's English text; what it holds of a catalogue is said in Korean.
        kinds: The names of the error's classes, the nearest first: for an error that is in no catalogue.
    """
    if default_language() == "en":
        return []
    from .korean import KINDS

    found = [korean for english, korean in catalogue().items() if english in message]
    return found or [KINDS[kind] for kind in kinds if kind in KINDS][:1]
