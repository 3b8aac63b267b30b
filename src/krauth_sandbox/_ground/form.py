"""Token request parameters as they stand in a body; the providers and the inspector read them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from aiohttp import web

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class FormError(ValueError):
    """The body is not what its content type says; the message never quotes it."""


def parse_form(body: bytes | str) -> tuple[dict[str, str], list[str]]:
    """Return the parameters and the names of those that came more than once."""
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict")
    except UnicodeDecodeError:
        raise FormError("the form is not UTF-8") from None
    repeated = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
    return dict(pairs), repeated


def query_of(request: web.Request) -> bytes:
    """Return the query as it arrived: aiohttp's `query_string` is decoded already, and would be decoded again."""
    return request.raw_path.partition("?")[2].encode("utf-8", "surrogateescape")


def parse_json(body: bytes) -> dict[str, str]:
    """Return the members of a JSON object whose values are all strings (null counts as absent)."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise FormError("the body is not JSON") from None
    if not isinstance(value, dict) or not all(v is None or isinstance(v, str) for v in value.values()):
        raise FormError("the body is not a JSON object of strings")
    return {k: v for k, v in value.items() if v is not None}
