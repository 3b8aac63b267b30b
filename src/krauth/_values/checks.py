"""Checks of what comes from outside: settings, environment variables, a server's JSON and its words."""

from __future__ import annotations

import json
import os
from typing import Any

from .exceptions import ConfigurationError
from .secret import Secret, hide


def require_text(value: object, name: str, hint: str = "") -> str:
    """Return `value` when it is a non-empty string without control characters, or white space around it.

    Raises:
        ConfigurationError: It is not; the value is never quoted, since users do paste secrets in the wrong place.
    """
    value = hide(value)  # this frame may raise; it need not show what was given
    fault = _fault(value.reveal()) if value is not None else "is empty"
    if fault is not None:
        hint = hint or ("check where it is read from" if fault == "is empty" else "")
        raise ConfigurationError(f"{name} {fault}{f'; {hint}' if hint else ''}")
    assert value is not None
    return value.reveal()


def _fault(text: object) -> str | None:
    if text is None or text == "":
        return "is empty"
    if not isinstance(text, str):
        return f"must be a string, not {type(text).__name__}"
    if text != text.strip():
        return "begins or ends with white space (a line break from a file?); strip it"
    if not text.isprintable():
        return "holds a line break, a NUL byte or another control character"
    return None


def read_env(name: str) -> str | None:
    """Return an environment variable; empty counts as not set."""
    return os.environ.get(name) or None


def require_env(name: str) -> Secret:
    """Return an environment variable, or raise `ConfigurationError` when it is not set."""
    value = read_env(name)
    if value is None:
        hint = " (single quotes keep its $ signs)" if name.endswith("SECRET") else ""
        raise ConfigurationError(f"the environment variable {name} is not set: export {name}='…'{hint}")
    return Secret(value)


def read_json_object(body: bytes) -> dict[str, Any] | None:
    """Return a JSON object, or `None` when the body is anything else; never raises."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def printable(value: object, limit: int = 300) -> str | None:
    """Return a server's words fit for a log line: one line, bounded, no control characters; `None` if not text."""
    if not isinstance(value, str) or not value.strip():
        return None
    text = " ".join("".join(char if char.isprintable() else " " for char in value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
