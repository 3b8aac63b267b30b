"""The signature of Naver's token requests, and the checks of what is signed; `naver` has the rest of the provider."""

from __future__ import annotations

import base64
import re

from ._values import secret as secret_module
from ._values.checks import refuse_quotes, require_text
from ._values.exceptions import ConfigurationError
from ._values.secret import Secret, hide

# bcrypt's own alphabet, in the order of its values.
_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# Prefixes on which all implementations agree; `$2$` and `$2x$` mean different things in different ones. Real secrets
# have a cost of 4; one of 16 takes seconds, one of 31 would take days.
_SALT = r"\$2[aby]\$(?:0[4-9]|1[0-6])\$[./A-Za-z0-9]{22}"
_WRONG_SHAPE = (
    "client_secret does not look like one: it must be the 29 characters of a bcrypt salt, $2a$04$ and 22 letters or"
    " digits; copy it again from the API center"
)
_SINGLE_QUOTES = "put it in single quotes there, NAVER_COMMERCE_CLIENT_SECRET='$2a$04$…'"
#: Faults of a secret of the wrong shape: a pattern that finds the fault, and the advice. `{n}`: its length.
_FAULTS = (
    (
        r"^\$\{?[A-Za-z_]\w*\}?$",
        "client_secret is the name of a variable, which no program has replaced by its value; write the value there,"
        " in single quotes",
    ),
    (
        r"\\\$",
        "client_secret holds \\$: the backslashes are for a shell, and the program that read the secret keeps them;"
        " write each $ without a backslash there",
    ),
    (
        r"\$\$",
        "client_secret holds $$, which is how docker compose writes one $, and the program that read the secret keeps"
        " both; write each $ once there",
    ),
    (r"%24", "client_secret holds %24, which is a $ in a URL; copy it again from the API center"),
    (
        r"^\$2.{0,26}$",
        "client_secret is cut off: {n} of the 29 characters of a bcrypt salt. It was not copied whole, or a"
        f" program that fills in variables took the part after a $ for one: then {_SINGLE_QUOTES}",
    ),
    (r"^\$2.{28,}$", "client_secret is too long: {n} characters, and a bcrypt salt has 29 characters; copy it again"),
    (
        r"^(?!\$2).{0,28}$",
        "client_secret has lost its beginning, $2a$04$: a shell or a .env file took that for variables;"
        f" {_SINGLE_QUOTES}",
    ),
)


def sign(client_id: str | Secret, client_secret: str | Secret, timestamp: int) -> str:
    """Return the signature (`client_secret_sign`) of a token request.

    Base64 of the bcrypt hash of `{client_id}_{timestamp}`, with the client secret as its salt: 80 characters.
    A secret of cost 4, which real ones have, takes about 1 ms of CPU, one of cost 10 about 60 ms.

    Args:
        client_id: The application's ID.
        client_secret: The application's secret, `$2a$04$` and 22 more characters.
        timestamp: Milliseconds since the epoch (13 digits); the same number goes into the request.

    Raises:
        ConfigurationError: An argument can't be right. The message says which and how to mend it, never the value.
    """
    secret, identifier = hide(client_secret), hide(client_id)
    del client_secret, client_id
    check_not_swapped(identifier)
    salt = check_secret(secret)
    password = check_password(identifier, timestamp)
    import bcrypt  # only here: most processes that import an adapter sign nothing for hours

    try:
        hashed = bcrypt.hashpw(password, canonical_salt(salt.reveal()))
    except ValueError:  # bcrypt may quote the salt: its error is not to be kept, not even as a context
        hashed = b""
    if not hashed:
        raise ConfigurationError(_WRONG_SHAPE)
    return base64.b64encode(hashed).decode("ascii")


def check_secret(value: object) -> Secret:
    """Return a client secret as a `Secret`, or raise `ConfigurationError` when it can't be one."""
    value = hide(value)
    if value is None or value.reveal() == "":
        raise ConfigurationError("client_secret is empty; set NAVER_COMMERCE_CLIENT_SECRET, in single quotes")
    if not isinstance(value.reveal(), str):
        raise ConfigurationError(f"client_secret must be a string, not {type(value.reveal()).__name__}")
    if secret_module.accepts_dummies:
        return value
    if "\0" in value.reveal():
        raise ConfigurationError("client_secret holds a NUL byte; copy it again from the API center")
    if value.reveal() != value.reveal().strip():
        raise ConfigurationError("client_secret begins or ends with white space or a line break; strip it")
    refuse_quotes(value, "client_secret")
    if not re.fullmatch(_SALT, value.reveal()):
        advice = (advice for pattern, advice in _FAULTS if re.search(pattern, value.reveal()))
        raise ConfigurationError(next(advice, _WRONG_SHAPE).replace("{n}", str(len(value.reveal()))))
    return value


def check_not_swapped(client_id: Secret | None) -> None:
    """Raise `ConfigurationError` when a client_id is a client secret; never quotes it."""
    if client_id is not None and re.match(r"\$2[a-z]?\$\d\d\$.{12}", str(client_id.reveal())):
        raise ConfigurationError("client_id holds a client secret: client_id and client_secret are swapped")


def check_password(client_id: str | Secret | None, timestamp: int) -> bytes:
    """Return the bytes that are hashed, or raise `ConfigurationError` when no server could verify them."""
    client_id = hide(client_id)
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise ConfigurationError("timestamp must be a whole number of milliseconds: int(time.time() * 1000)")
    if 10**8 <= timestamp < 10**11:
        raise ConfigurationError("timestamp is in seconds; it must be in milliseconds: int(time.time() * 1000)")
    if not 10**12 <= timestamp < 10**13:
        raise ConfigurationError("timestamp must be milliseconds since the epoch, 13 digits: int(time.time() * 1000)")
    if client_id is not None and "\0" in str(client_id.reveal()):
        raise ConfigurationError("client_id holds a NUL byte, at which some bcrypt implementations stop reading")
    password = f"{require_text(client_id, 'client_id')}_{timestamp}".encode()
    if len(password) > 72:
        raise ConfigurationError(
            f"client_id is too long: with the timestamp it makes {len(password)} bytes and bcrypt reads 72;"
            " check that it is the application ID"
        )
    return password


def canonical_salt(secret: str) -> bytes:
    """Return a salt that every bcrypt accepts: the 22nd character carries 2 bits, its 4 spare ones are cleared.

    The vendor's own sample secret ends in `v`, which strict decoders refuse; jBCrypt, PHP and Node read it as `u`.
    """
    last = _BCRYPT_ALPHABET.index(secret[-1]) & 0b110000
    return (secret[:-1] + _BCRYPT_ALPHABET[last]).encode("ascii")
