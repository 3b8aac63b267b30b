"""Answers, each with the problem of its request, which `emulator` puts into the record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Wrong:
    """The problem of a request: an English text with gaps, which is also its name, and the values for the gaps.

    The values are numbers and names of fields, never what a client sent as their value.
    """

    text: str
    values: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.text.format(**dict(self.values))

    def told(self, language: str) -> str:
        """Return the sentence in `ko` or `en`."""
        if language != "ko":
            return str(self)
        from .wrongs import WRONGS  # most sandboxes are asked by tests, which read English

        return WRONGS.get(self.text, self.text).format(**dict(self.values))


def wrong(text: str, **values: object) -> Wrong:
    """Return a `Wrong`; `wrongs` has its Korean text under the same English one."""
    return Wrong(text, tuple((name, str(value)) for name, value in values.items()))


class Reply(web.Response):
    """An answer that may hold the problem of its request; the problem is not sent."""

    wrong: Wrong | None = None


def answer_json(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, wrong: Wrong | None = None
) -> Reply:
    """Answer with `value` as JSON, Korean left readable."""
    text = json.dumps(value, ensure_ascii=False)
    reply = Reply(text=text, status=status, headers=headers, content_type="application/json")
    reply.wrong = wrong
    return reply


def bearer(request: web.Request) -> str | None:
    """Return the bearer token of the request, None without one, "" where the header is of no use."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
