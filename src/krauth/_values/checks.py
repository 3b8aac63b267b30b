"""Checks of what comes from outside: settings, environment variables, a server's JSON and its words."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from .exceptions import ConfigurationError
from .guard import MAX_WORDS, words
from .secret import Secret, unseen

if TYPE_CHECKING:
    from typing import TypeGuard

#: Characters of a token, of any other text that a server sends, and of a setting, at most.
MAX_TOKEN, MAX_SERVER_TEXT, MAX_SETTING = 16_384, 4096, 8192
#: Seconds since the epoch, both ways: the year 5138. A number beyond it is a mistake or an attack, not a time.
MAX_TIME = 1e11

#: The statuses that say something about the credential that was sent, where a provider names no others.
DEFAULT_JUDGED: frozenset[int] = frozenset({401})

#: A bcrypt salt, a prefixed API key, a JSON Web Token, a private key, an `Authorization` header field. Each has one
#: of the signs, or begins with a hyphen.
_SECRET_SHAPES = r"\$2[abxy]?\$\d\d\$|[a-z]{2,8}_(live|test|secret)_|eyJ[\w-]+\.[\w-]+\.|-----BEGIN|(Bearer|Basic) "  # noqa: S105  shapes, no secret
_SECRET_SIGNS = frozenset("$_. ")


def is_time(value: object) -> TypeGuard[float]:
    """Whether a value is a number of seconds since the epoch, or a span of seconds; bounded, and never NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_TIME


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0, of a size that every program reads alike (RFC 8259 §6)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def check_flag(value: object, name: str) -> bool:
    """Return a setting that is `True` or `False`, or raise `ConfigurationError`: the text "no" would count as true."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def is_access_token(value: object) -> bool:
    """Whether a value may stand in a header field: RFC 6750 §2.1, read generously as visible ASCII; bounded."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_TOKEN
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


def is_line(value: object, limit: int = MAX_SERVER_TEXT) -> TypeGuard[str]:
    """Whether a value is a text of one line without control characters: a refresh token, a scope, a name."""
    return isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()


def require_client_id(value: object, hint: str = "") -> str:
    """Return a client_id, or raise `ConfigurationError` when it can't be one, or has the shape of a secret.

    Raises:
        ConfigurationError: It is no text of one line, or a secret in the wrong place. It is never quoted.
    """
    value = unseen(value)
    client_id = Secret(require_text(value, "client_id", hint), known=False)
    # To compile a pattern takes 0.1 ms, and most ids, and each UUID, need none.
    may_match = client_id.reveal().startswith("-") or not _SECRET_SIGNS.isdisjoint(client_id.reveal())
    if may_match and re.match(_SECRET_SHAPES, client_id.reveal(), re.ASCII):
        raise ConfigurationError(
            "client_id looks like a secret: are client_id and client_secret, or an API key, in each other's place?"
        )
    return client_id.reveal()


def require_text(value: object, name: str, hint: str = "") -> str:
    """Return `value` when it is a non-empty string without control characters, or white space around it.

    Raises:
        ConfigurationError: It is not; the value is never quoted, since users do paste secrets in the wrong place.
    """
    value = unseen(value)  # this frame may raise; its variables must not show the value
    fault = _fault(value.reveal())
    if fault is not None:
        hint = hint or ("check where it is read from" if fault == "is empty" else "")
        raise ConfigurationError(f"{name} {fault}{f'; {hint}' if hint else ''}")
    return value.reveal()


def _fault(text: object) -> str | None:
    if text is None or text == "":
        return "is empty"
    if not isinstance(text, str):
        return f"must be a string, not {type(text).__name__}"
    if text[0] == "$" and re.fullmatch(r"\$\{?[A-Za-z_]\w*\}?", text, re.ASCII):
        return "is the name of a variable, which no program has replaced by its value; write the value there"
    if text != text.strip():
        return "begins or ends with white space (a line break from a file?); strip it"
    if not text.isprintable():
        return "holds a line break, a NUL byte or another control character"
    if len(text) > MAX_SETTING:
        return f"is longer than {MAX_SETTING} characters"
    return None


#: What people put around a value, and some readers of `.env` files leave there.
QUOTES = "'\"`\u2018\u2019\u201c\u201d"


def refuse_quotes(value: Secret | None, name: str, *, both: bool = False) -> None:
    """Raise `ConfigurationError` when a value still has the quotes that were put around it; never quotes it.

    Args:
        value: The value; anything but a string is left to other checks.
        name: Of the setting.
        both: Whether quotes count only when they are at both ends: a password may begin with one.
    """
    text = value.reveal() if value is not None else None
    ends = isinstance(text, str) and len(text) > 1 and [text[0] in QUOTES, text[-1] in QUOTES]
    del text
    if ends and (all(ends) if both else any(ends)):
        raise ConfigurationError(
            f"{name} still has quotes around it: the program that read it does not take them off, such as docker with"
            " --env-file; write the value there without quotes"
        )


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


def read_json_object(body: bytes) -> dict[str, object] | None:
    """Return a JSON object, or `None` when the body is anything else; never raises."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def printable(value: object, limit: int = MAX_WORDS) -> str | None:
    """Return a server's words fit for people: one line, bounded, without secret or control character; see `words`."""
    return words(value, limit)
