"""Korean or English, as a browser asks for."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("ko", "en")


def language_of(accept_language: str) -> str:
    """Return `ko` or `en`, whichever the Accept-Language header prefers; `en` where it names neither."""
    best, best_quality = "en", 0.0
    for item in accept_language.split(","):
        tag, _, parameters = item.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        name, _, text = parameters.strip().partition("=")
        try:
            quality = float(text) if name.strip() == "q" else 1.0
        except ValueError:
            quality = 0.0
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best
