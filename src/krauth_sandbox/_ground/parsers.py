"""Text from a query, a form or a file → a value; each raises ValueError with a message that names the expected form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "on", "yes"), True),
    **dict.fromkeys(("false", "0", "off", "no"), False),
}


def boolean(text: str) -> bool:
    """Parse true/false, 1/0, on/off, yes/no."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("expected true or false") from None


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a parser of numbers from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("expected a number") from None
        return between(value, low, high)

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        # Bounded before int(): digits without end are refused unread.
        if len(text) > 20 or not text.lstrip("+-").isdecimal():
            raise ValueError("expected a whole number")
        return int(between(int(text), low, high))

    return parse


def choice(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of `words`."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text

    return parse


def between(value: float, low: float, high: float) -> float:
    """Return `value` where it is a number from `low` to `high`, else raise ValueError."""
    if not low <= value <= high:  # NaN is between no two numbers
        raise ValueError(f"expected a number between {low:g} and {high:g}")
    return value
