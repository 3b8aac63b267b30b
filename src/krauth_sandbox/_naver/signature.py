"""Naver's `client_secret_sign`, checked by undoing it rather than by making another."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

import bcrypt

from .._ground.reply import wrong

if TYPE_CHECKING:
    from .._ground.reply import Wrong

# bcrypt's own Base64 alphabet, in the order of its digits.
_DIGITS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SECRET = re.compile(r"\$(2[aby])\$(\d\d)\$([./A-Za-z0-9]{22})")
_HASH = re.compile(r"\$(2[aby])\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
_STANDARD = str.maketrans("-_", "+/")


def is_secret(client_secret: str) -> bool:
    """Tell whether this is a bcrypt salt: `$2a$04$` and 22 characters."""
    return _SECRET.fullmatch(client_secret) is not None


def fault_of(client_secret_sign: str, client_id: str, timestamp: str, client_secret: str) -> Wrong | None:
    """Return the fault of a signature, or None if the signature is right; slow, as bcrypt is."""
    # "3단계: Base64로 인코딩": the Java sample is URL-safe, the Python sample standard. Both must pass.
    try:
        hashed = base64.b64decode(client_secret_sign.translate(_STANDARD), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return wrong("client_secret_sign is not Base64 of ASCII characters.")
    needed, got = _SECRET.fullmatch(client_secret), _HASH.fullmatch(hashed)
    if needed is None or got is None:
        return wrong("client_secret_sign does not hold a bcrypt hash (60 characters).")
    # "salt: client_secret 값 그대로 사용": the salt inside the hash is the secret, cost and all.
    if (got[1], got[2], _significant(got[3])) != (needed[1], needed[2], _significant(needed[3])):
        return wrong("client_secret_sign was made with another client_secret.")
    canonical = f"${got[1]}${got[2]}${_significant(got[3])}{got[4]}"
    # "password: client_id와 timestamp를 밑줄로 연결"
    try:
        if bcrypt.checkpw(f"{client_id}_{timestamp}".encode(), canonical.encode()):
            return None
    except ValueError:
        return wrong("client_id and timestamp are longer than the 72 bytes that bcrypt reads.")
    return wrong("client_secret_sign was made for another client_id or timestamp.")


def _significant(salt: str) -> str:
    # 22 characters hold 132 bits, a salt is 128: the last four are spare, and strict decoders want them zero.
    return salt[:21] + _DIGITS[_DIGITS.index(salt[21]) & 0b110000]
