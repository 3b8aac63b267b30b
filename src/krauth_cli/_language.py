"""Which language the command line speaks, and its words: English in the code, Korean beside it in `_korean`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from krauth._values.language import default_language

if TYPE_CHECKING:
    from krauth import Token

LANGUAGES: Final = ("en", "ko")


def say(english: str, **values: object) -> str:
    """Return a sentence in the language of the locale, its gaps (`{name}`) filled."""
    return translated(english).format(**values)


def translated(english: str) -> str:
    """Return a sentence in the language of the locale as it is, gaps and braces included."""
    if default_language() == "en":
        return english
    from ._korean import KOREAN

    return KOREAN.get(english, english)


def labelled(name: str, value: object, width: int) -> str:
    """Return a line of output: a translated label, as wide as `width` cells of a terminal, and a value."""
    label = say(name)
    # The terminal shows a Korean syllable two cells wide.
    cells = sum(2 if "가" <= char <= "힣" else 1 for char in label)
    return f"{label}{' ' * max(1, width - cells)}{value}"


def refreshable_for(token: Token, now: float) -> str:
    """Return whether, and for how long, a token can be refreshed."""
    if token.refresh_token is None:
        return say("no: sign in again when it has expired")
    if token.refresh_expires_at is None:
        return say("yes")
    return say("yes, within {time}", time=duration(token.refresh_expires_at - now))


def duration(seconds: float) -> str:
    """Return seconds as `2 h 59 min`, `59 min 30 s` or `12 s`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours >= 48:
        return say("{days} d {hours} h", days=hours // 24, hours=hours % 24)
    if hours:
        return say("{hours} h {minutes} min", hours=hours, minutes=minutes)
    if minutes:
        return say("{minutes} min {seconds} s", minutes=minutes, seconds=left)
    return say("{seconds} s", seconds=left)
