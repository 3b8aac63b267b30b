"""The guard at the exit: the texts of exceptions and events pass `clean` where the exception or event is made.

How the guard knows the secrets. Every object that holds a secret (`Secret`, `Token`, `HTTPRequest`) makes it known when
it is made, and the guard forgets it when the last such object is gone. So no code has to remember which secrets took
part in an exchange. Every message passes the guard: also the message of a new flow or a plugin, and a message with
another user's token from a confused server. The other designs were worse: a list of secrets that is handed to each
function is safety by call site, and a context variable is lost where a flow changes its thread.

What it costs: some microseconds and 250 bytes for each secret, when the object is made; nothing when a request is
sent. To search a message takes less than a millisecond, however many secrets there are (100,000 were tried): the index
is keyed by the last characters of each form of a secret.
"""

from __future__ import annotations

import os
import re
import threading
import weakref

#: Characters of the longest message, and of a server's words in it.
MAX_TEXT, MAX_WORDS = 2000, 300
#: A shorter secret is not searched for in messages: "secret" would garble `invalid_client_secret`, and so tell itself.
SHORTEST = 8
#: What stands where a secret stood.
BLOT = "<secret>"

#: Forms of a secret are found by their last 16 characters, or 8 where they are shorter than 16.
_TAILS = (SHORTEST, 16)
#: Characters of a text that are read at most, and how many at their end are not shown, since a secret may be cut.
_MAX_READ, _MAX_CUT = 65536, 32768

#: Words of our own messages. Some users give one as a secret; it is treated as a secret that is too short.
_OUR_WORDS = {
    *("client_id", "client_secret", "access_token", "refresh_token", "password", "redirect_uri", "token_transport"),
    *("authorization", "authorization_code", "client_credentials", "invalid_client", "invalid_grant"),
}

_CODE = r"[A-Za-z0-9._-]{1,64}|urn:[A-Za-z0-9:._-]{1,96}"
#: Parts of a store key: what tells secrets apart, ids, and what ends a part in a text, which may quote a key. They are
#: no patterns, since the first event of each process shows a key.
_KEY_FINGERPRINTS = ("secret", "proof", "headers", "parameters", "sha256")
_KEY_IDS = ("client_id", "application")
_KEY_ENDS = ",;:'\")]"
#: As `html.escape` does it; to import `html` takes longer than a token request.
_IN_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
#: RFC 3986 §2.3.
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


class Known:
    """A secret that the guard knows, as long as some object holds this."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return BLOT


class Holder:
    """Base of a value that holds secrets: keeps them known to the guard as long as it lives."""

    __slots__ = ("__weakref__", "_known")

    _known: object

    def _make_known(self, *secrets: str | None, short: bool = False) -> None:
        known = tuple(know(secret, short=short) for secret in secrets if secret)
        object.__setattr__(self, "_known", known[0] if len(known) == 1 else known)  # a tuple takes 48 bytes


_Refs = tuple["weakref.ref[Known]", ...]
#: Most keys have one secret: a tuple around it would take 48 bytes.
_index: dict[int, weakref.ref[Known] | _Refs] = {}
_short: _Refs = ()
_sweep_at = 1024
_lock = threading.RLock()  # making an object may set off a collection, and that may make objects


def know(value: str, *, short: bool = False) -> Known:
    """Make a secret known to the guard until the result is gone.

    Args:
        value: The secret.
        short: Whether a server's words that hold it are left out, should it be too short to be searched for.
    """
    global _short, _sweep_at
    can_be_blotted = len(value) >= SHORTEST and value not in _OUR_WORDS
    keys = {_key(form) for form in _forms(value) if len(form) >= SHORTEST} if can_be_blotted else set()
    with _lock:
        for ref in _refs(min(keys)) if keys else _short:
            if (known := ref()) is not None and known.value == value:
                return known
        known = Known(value)
        ref = weakref.ref(known)
        for key in keys:
            others = _living(_refs(key))
            _index[key] = (*others, ref) if others else ref
        if short and not keys:
            _short = (*_living(_short), ref)
        if len(_index) >= _sweep_at:
            for key in list(_index):
                if refs := _living(_refs(key)):
                    _index[key] = refs if len(refs) > 1 else refs[0]
                else:
                    del _index[key]
            _sweep_at = max(1024, len(_index) * 5 // 4)
    return known


def no_secret(*words: str) -> None:
    """Say that messages hold these words, such as the prefix of a provider's keys."""
    _OUR_WORDS.update(words)


def _refs(key: int) -> _Refs:
    found = _index.get(key, ())
    return found if isinstance(found, tuple) else (found,)


def _living(refs: _Refs) -> _Refs:
    return tuple(ref for ref in refs if ref() is not None)


def _key(form: str) -> int:
    return hash(form[-_TAILS[len(form) >= _TAILS[1]] :])  # a number, so that the index keeps nothing of a secret


def _forms(secret: str) -> set[str]:
    """Return a secret in each form in which it is sent, or comes back: plain, in a form, JSON, HTML or a repr."""
    if not secret.strip(_UNRESERVED):
        return {secret}  # most secrets: all forms are the same
    import json
    from urllib.parse import quote, quote_plus

    text = secret.encode(errors="replace").decode()  # a lone surrogate has no percent-encoding
    quoted = {quote_plus(text), quote(text, safe=""), quote(text)}
    return {
        secret,
        *quoted,
        *map(_in_lower_case, quoted),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        secret.translate(_IN_HTML),
        repr(secret)[1:-1],
    }


def _in_lower_case(quoted: str) -> str:
    """Return a percent-encoded text with the digits of its codes in lower case."""
    first, *parts = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in parts)])


def blot(text: str) -> str:
    """Return `text` with every known secret removed from it, in each of its forms."""
    if not _index:
        return text
    spans: list[tuple[int, int]] = []
    for end in range(SHORTEST, len(text) + 1):
        for size in _TAILS:
            if end < size or (key := hash(text[end - size : end])) not in _index:
                continue
            for ref in _refs(key):
                known = ref()
                forms = _forms(known.value) if known is not None else ()
                spans += [
                    (end - len(form), end) for form in forms if len(form) >= SHORTEST and text.endswith(form, 0, end)
                ]
    if not spans:
        return text
    parts: list[str] = []
    done = 0
    for begin, end in _merged(spans):
        parts += [text[done:begin], BLOT]
        done = end
    return "".join([*parts, text[done:]])


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


class _Clean(str):
    """A text that has passed the guard. It need not pass again when an exception is copied for a thousand callers."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text fit for people: one line, no secret, no control character, at most `limit` characters.

    Control characters, escape sequences, line breaks, and characters that turn the direction of a text or have no width
    are shown as `\\n`, `\\x1b` or `\\u202e`.
    """
    if type(text) is _Clean and len(text) <= limit:
        return text
    is_cut = len(text) > _MAX_READ
    text = shown_key(blot(str(text[:_MAX_READ])))
    text = visible(text[:-_MAX_CUT] if is_cut else text)
    return _Clean(text if len(text) <= limit and not is_cut else text[: limit - 1] + "…")


def visible(text: str) -> str:
    """Return `text` with every character that does not print shown as an escape; blanks of any kind become spaces."""
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable()
        else " "
        if char.isspace() and ord(char) > 0x9F and char not in "\u2028\u2029"
        else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return ascii(char)[1:-1]


def words(value: object, limit: int = MAX_WORDS) -> str | None:
    """Return another program's free text fit for people, or `None` where it is no text, blank, or can't be made safe.

    A text that holds a secret shorter than 8 characters can't: blotting it out would tell the secret.
    """
    if not isinstance(value, str) or not value.strip() or _holds_short(value):
        return None
    return clean(value[: 2 * _MAX_READ].strip(), limit)


def _holds_short(text: str) -> bool:
    return any((known := ref()) is not None and any(form in text for form in _forms(known.value)) for ref in _short)


def as_code(value: object) -> str | None:
    """Return an error code, or `None` for what does not look like one or is a secret.

    RFC 6749 §5.2, `GW.AUTHN`, or a URN as problem type (RFC 9457 §3.1.1): `urn:naver:api:problem:invalid-timestamp`.
    """
    if not isinstance(value, str) or not re.fullmatch(_CODE, value) or blot(value) != value:
        return None
    return None if any((known := ref()) is not None and known.value == value for ref in _short) else value


def shorten_id(value: str) -> str:
    """Return an id as it is shown: whole up to 12 characters, else its beginning and end. Users paste secrets there."""
    return value if len(value) <= 12 else f"{value[:6]}…{value[-2:]}"


def shown_key(key: str) -> str:
    """Return a store key as it is shown: ids shortened, and without what tells secrets apart. A text may hold keys."""
    first, *parts = key.split("|")
    return "".join([first, *map(_shown_part, parts)])


def _shown_part(part: str) -> str:
    name, is_pair, value = part.partition("=")
    if not is_pair or name not in _KEY_FINGERPRINTS + _KEY_IDS:
        return f"|{part}"
    end = next((at for at, char in enumerate(value) if char in _KEY_ENDS or char.isspace()), len(value))
    return value[end:] if name in _KEY_FINGERPRINTS else f"|{name}={shorten_id(value[:end])}{value[end:]}"


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # a thread that stayed in the parent may hold it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class ForeignError(Exception):
    """Stands for another library's exception, as the cause of one of ours: only its name is told."""
