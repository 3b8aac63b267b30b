"""Naver's `client_secret_sign`, checked by undoing it rather than by making another; used by `_naver`."""

from __future__ import annotations

import base64
import binascii
import re

import bcrypt

# bcrypt's own Base64 alphabet, in the order of its digits.
_DIGITS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SECRET = re.compile(r"\$(2[aby])\$(\d\d)\$([./A-Za-z0-9]{22})")
_HASH = re.compile(r"\$(2[aby])\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
_STANDARD = str.maketrans("-_", "+/")


def is_secret(client_secret: str) -> bool:
    """Tell whether this is a bcrypt salt: `$2a$04$` and 22 characters."""
    return _SECRET.fullmatch(client_secret) is not None


def is_signed(client_secret_sign: str, client_id: str, timestamp: str, client_secret: str) -> bool:
    """Tell whether the signature is the secret's for this client and timestamp; slow, as bcrypt is."""
    # "3단계: Base64로 인코딩": the Java sample is URL-safe, the Python sample standard. Both must pass.
    try:
        hashed = base64.b64decode(client_secret_sign.translate(_STANDARD), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    wanted, got = _SECRET.fullmatch(client_secret), _HASH.fullmatch(hashed)
    if wanted is None or got is None:
        return False
    # "salt: client_secret 값 그대로 사용": the salt inside the hash is the secret, cost and all.
    if (got[1], got[2], _significant(got[3])) != (wanted[1], wanted[2], _significant(wanted[3])):
        return False
    canonical = f"${got[1]}${got[2]}${_significant(got[3])}{got[4]}"
    # "password: client_id와 timestamp를 밑줄로 연결"
    try:
        return bcrypt.checkpw(f"{client_id}_{timestamp}".encode(), canonical.encode())
    except ValueError:  # longer than bcrypt's 72 bytes
        return False


def _significant(salt: str) -> str:
    # 22 characters hold 132 bits, a salt is 128: the last four are spare, and strict decoders want them zero.
    return salt[:21] + _DIGITS[_DIGITS.index(salt[21]) & 0b110000]
