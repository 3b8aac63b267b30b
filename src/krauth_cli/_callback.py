"""Receives the user's return from the authorization server, on this machine only; used by `_login`."""

from __future__ import annotations

import hmac
import html
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from ._failure import Misuse

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that a connection may take to say what it wants; browsers open some without saying anything.
_PATIENCE: Final = 10.0
#: RFC 8252 §7.3: the loopback IP literals. `localhost` is for servers that know no others.
_ADDRESSES: Final = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}

_TEXTS: Final = {
    "en": {
        "done": ("Signed in", "You can close this window and go back to the terminal."),
        "failed": ("Not signed in", "The terminal says why."),
        "stray": ("Not this sign-in", "This page belongs to no sign-in under way. Start again in the terminal."),
        "over": ("Already answered", "This sign-in has ended. You can close this window."),
        "nothing": ("Nothing here", "This address only receives the end of a sign-in."),
    },
    "ko": {
        "done": ("로그인되었습니다", "이 창을 닫고 터미널로 돌아가세요."),
        "failed": ("로그인하지 못했습니다", "이유는 터미널에 나와 있습니다."),
        "stray": ("이 로그인의 페이지가 아닙니다", "진행 중인 로그인과 맞지 않습니다. 터미널에서 다시 시작하세요."),
        "over": ("이미 처리되었습니다", "이 로그인은 끝났습니다. 이 창을 닫아도 됩니다."),
        "nothing": ("아무것도 없습니다", "이 주소는 로그인의 마지막 단계만 받습니다."),
    },
}
_STATUS: Final = {"done": 200, "failed": 400, "stray": 400, "over": 410, "nothing": 404}
_PAGE: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 32rem; margin: 18vh auto; padding: 0 1.5rem }}
h1 {{ font-size: 1.5rem }}
@media (prefers-color-scheme: dark) {{ body {{ background: #181818; color: #eee }} }}
</style></head><body><main id="{kind}"><h1>{title}</h1><p>{text}</p></main></body></html>
"""


class Receiver(ThreadingHTTPServer):
    """Listens on a loopback address until one callback with the right state has come, and answers nothing else.

    Args:
        redirect_uri: The loopback URI to listen at; `None`: `/callback` at `port`.
        port: 0 for a free one.

    Raises:
        Misuse: The URI is not of this machine, or the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    # On POSIX this lets a just-closed port be used again. On Windows two programs would then share one port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, redirect_uri: str | None = None, port: int = 0) -> None:
        parts = urlsplit(redirect_uri or f"http://127.0.0.1:{port}/callback")
        try:
            port = 80 if parts.port is None else parts.port
        except ValueError:
            raise Misuse("the redirect URI's port is no port") from None
        if parts.scheme != "http" or parts.hostname not in _ADDRESSES:
            raise Misuse(
                "this redirect_uri leads to another machine, or is not http://127.0.0.1:PORT/…: use --paste, and paste"
                " the address that the browser ends up at"
            )
        address = _ADDRESSES[parts.hostname]
        if ":" in address:
            import socket

            self.address_family = socket.AF_INET6
        try:
            super().__init__((address, port), _Handler)
        except OSError as error:
            raise Misuse(
                "can't listen on port {port}: {why}; choose another, or use --paste", port=port, why=error.strerror
            ) from None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        actual = self.server_address[1]
        self.host = host if actual == 80 else f"{host}:{actual}"  # as a browser writes it
        # A registered URI is sent as it is; ours names the port that was free.
        self.redirect_uri = redirect_uri or f"http://{self.host}{parts.path}"
        self.path = parts.path or "/"
        self._lock = threading.Lock()
        self._taken = False
        self.ended = threading.Event()
        self._state = ""
        self._finish: Callable[[str], bool] = bool

    def start(self, state: str, finish: Callable[[str], bool]) -> None:
        """Serve in a thread from now on. A text browser in the terminal blocks the thread that opens it.

        Args:
            state: Of the one request whose callback is received.
            finish: Is called with the callback's URL, once, and returns whether all went well.
        """
        self._state, self._finish = state, finish
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def wait(self, timeout: float) -> bool:
        """Return whether the callback came, and its page was sent, within `timeout` seconds; then listen no more."""
        came = self.ended.wait(timeout)
        self.shutdown()
        return came

    def take(self, target: str) -> str:
        """Decide about a request to the callback's path, and return which page it gets."""
        states = parse_qs(urlsplit(target).query, keep_blank_values=True).get("state", [])
        if len(states) != 1 or not hmac.compare_digest(states[0].encode(errors="replace"), self._state.encode()):
            return "stray"  # forged, or of an older sign-in: the right one may still come
        with self._lock:
            if self._taken:
                return "over"
            self._taken = True
        return "done" if self._finish(f"http://{self.host}{target}") else "failed"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error of one connection; the server goes on."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = _PATIENCE
    server_version, sys_version = "krauth", ""

    def do_GET(self) -> None:
        """Answer the callback, and politely nothing else (a favicon, say)."""
        # A page elsewhere whose name was made to lead here (DNS rebinding) shows in Host, and gets nothing.
        if self.headers.get_all("Host", []) != [self.server.host]:
            self._answer("nothing", 421)
        elif not self.path.startswith("/") or urlsplit(self.path).path != self.server.path:
            self._answer("nothing")
        else:
            kind = self.server.take(self.path)
            self._answer(kind)
            if kind in ("done", "failed"):
                self.server.ended.set()

    def _answer(self, kind: str, status: int | None = None) -> None:
        language = preferred_language(self.headers.get("Accept-Language", ""))
        title, text = _TEXTS[language][kind]
        page = _PAGE.format(language=language, kind=kind, title=html.escape(title), text=html.escape(text)).encode()
        self.send_response(status or _STATUS[kind])
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("Content-Language", language),
            ("Cache-Control", "no-store"),
            # The page's URL holds a code. So the page loads nothing, sends no Referer, and can't be put into a frame.
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the address holds a code."""


def preferred_language(accept_language: str) -> str:
    """Return `"ko"` where the browser prefers Korean to English, else `"en"`."""
    weights = {"ko": 0.0, "en": 0.0}
    for position, item in enumerate(accept_language.split(",")):
        name, _, parameters = item.strip().partition(";")
        language = name.strip().lower().partition("-")[0]
        try:
            quality = float(parameters.partition("q=")[2] or 1)
        except ValueError:
            quality = 0.0
        if language in weights:
            weights[language] = max(weights[language], quality - position / 1000)
    return "ko" if weights["ko"] > weights["en"] else "en"
