"""Why a request got no answer, in words that are safe to show.

The text of a foreign exception may quote what its library read: a status line, a header field, part of a token. So
these words come from the exception's class and from numbers, never from its text.
"""

from __future__ import annotations

import errno
import os
import re

#: Part of a class name in the chain of an exception → what it means. The first row that fits counts.
_MEANINGS = {
    "NameResolution": "the host name can't be resolved; check the address and the DNS",
    "gaierror": "the host name can't be resolved; check the address and the DNS",
    "DNS": "the host name can't be resolved; check the address and the DNS",
    "CertificateError": "certificate verify failed: it is for another host",
    "Unreachable": "the network is unreachable",
    "Timeout": "no answer in time",
    "TooSlow": "no answer in time",
    "ClosedPool": "the client was closed",
    "ClosedResource": "the connection was closed",
    "Disconnected": "the server closed the connection without a whole answer",
    "EndOfStream": "the server closed the connection without a whole answer",
    "IncompleteRead": "the server closed the connection without a whole answer",
    "Payload": "the server closed the connection without a whole answer",
    "InvalidURL": "this URL can't be used",
    "UnsupportedProtocol": "this URL can't be used",
    "InvalidSchema": "this URL can't be used, or a SOCKS proxy needs a package that is not installed",
    "InvalidProxyURL": "the URL of the proxy can't be used",
    "Protocol": "the answer is broken: not HTTP, or not whole",
    "BadStatusLine": "the answer is broken: not HTTP, or not whole",
    "BadHttp": "the answer is broken: not HTTP, or not whole",
    "BadStatus": "the answer is broken: not HTTP, or not whole",
    "InvalidHeader": "the answer is broken: not HTTP, or not whole",
    "InvalidChunk": "the answer is broken: not HTTP, or not whole",
    "LineTooLong": "the answer is broken: a line is too long",
    "HTTPException": "the answer is broken: not HTTP, or not whole",
    "ResponseError": "the answer is broken: not HTTP, or not whole",
    "Stream": "the answer was read before, by an event hook or a transport of this client",
}
#: What to do where the system opens no more files.
FULL = "; close the responses and clients that are left open, or raise the limit (ulimit -n)"
#: The begin of a text that tells with which status a proxy refused. It is compiled when a proxy does.
_TUNNEL = r"(?:Tunnel connection failed: )?([1-5]\d\d)(?:\D|$)"


def safe_reason(error: BaseException) -> str:
    """Return the class of an exception and what it means, without any text from the wire."""
    name = type(error).__name__
    reason = _reason(list(_chain(error)))
    return f"{name} ({reason})" if reason else name


def _reason(chain: list[BaseException]) -> str | None:
    for link in reversed(chain):
        # OpenSSL's own sentence, with the host name that we asked for: "certificate has expired".
        if isinstance(words := getattr(link, "verify_message", None), str) and words:
            return f"certificate verify failed: {_one_line(words)}"
    for link in chain:
        if "Proxy" in type(link).__name__ and (status := _proxy_status(chain)) is not None:
            wish = "; it wants a user name and a password" if status == 407 else ""
            return f"the proxy answered {status}{wish}"
    for link in reversed(chain):
        name = type(link).__name__
        if name.startswith("SSL"):  # their `errno` is OpenSSL's
            if isinstance(code := getattr(link, "reason", None), str) and code:  # "WRONG_VERSION_NUMBER"
                return _one_line(code.replace("_", " ").lower())
        elif isinstance(link, OSError) and isinstance(link.errno, int) and link.errno > 0 and name != "gaierror":
            return os.strerror(link.errno) + (FULL if link.errno in (errno.EMFILE, errno.ENFILE) else "")
        if isinstance(link, ImportError) and link.name:
            return f"{_one_line(link.name)} can't be imported; install it"
    names = [type(link).__name__ for link in reversed(chain)]
    for part, meaning in _MEANINGS.items():
        if any(part in name for name in names):
            return meaning
    return None


def _proxy_status(chain: list[BaseException]) -> int | None:
    """Return the status with which a proxy refused: a number in an attribute, or at the begin of a text."""
    for link in chain:
        if isinstance(status := getattr(link, "status", None), int):
            return status
        found = re.match(_TUNNEL, link.args[0]) if link.args and isinstance(link.args[0], str) else None
        if found:
            return int(found[1])
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it came from, however its library keeps them; outermost first."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(found) < 20:
        link = queue.pop(0)
        if not isinstance(link, BaseException) or any(link is one for one in found):
            continue
        found.append(link)
        queue += [*link.args, getattr(link, "reason", None), getattr(link, "os_error", None)]
        queue += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return found


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:200]
