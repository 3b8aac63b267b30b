"""An answer that the doctor looks at, and a line that it says about it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from .._failure import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth import HTTPRequest, HTTPResponse

Verdict = Literal["ok", "note", "differs", "failed"]


@dataclass(frozen=True)
class Line:
    """A fact: its name, whether the vendor kept to it, and the phrase that says so."""

    name: str
    verdict: Verdict
    phrase: str
    values: dict[str, object] = field(default_factory=dict)


def line(name: str, verdict: Verdict, phrase: str, **values: object) -> Line:
    """Return a line; what comes from the server is made fit for a terminal."""
    return Line(name, verdict, phrase, {key: printable(value, 1000) for key, value in values.items()})


class Seen:
    """What a server answered, and when by this machine's clock."""

    def __init__(self, send: Callable[[HTTPRequest], HTTPResponse], request: HTTPRequest) -> None:
        """Send the request, once.

        Raises:
            TokenTransportError: There was no answer.
        """
        began = time.time()
        self.response = send(request)
        self.seconds = time.time() - began
        self.middle = began + self.seconds / 2
        self.status = self.response.status
        try:
            data = json.loads(self.response.body)
        except (ValueError, RecursionError):
            data = None
        self.is_object = isinstance(data, dict)
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}

    def header(self, name: str) -> str | None:
        """Return the value of a header field, or None."""
        return self.response.header(name)

    @property
    def offset(self) -> float | None:
        """Seconds that the server's clock is ahead; None where it does not tell."""
        try:
            date = parsedate_to_datetime(self.header("Date") or "")
            return date.timestamp() + 0.5 - self.middle  # whole seconds: half of one is the best guess
        except (ValueError, TypeError, OverflowError):
            return None

    @property
    def code(self) -> str | None:
        """The error's code, in whichever of the known shapes it comes."""
        error = self.data.get("error")
        for found in (self.data.get("code"), error.get("code") if isinstance(error, dict) else error):
            if isinstance(found, str):
                return found
        return None
