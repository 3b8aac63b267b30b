"""The tiny app: it asks Naver who the seller is, and answers with that and with its process.

With `EARLY` in the environment a token is obtained when this module is imported, before a server forks its workers.
"""

from __future__ import annotations

import os

import requests

from krauth_requests import NaverAuth

AUTH = NaverAuth.from_env(store=os.environ["KRAUTH_STORE"])
URL = f"{AUTH.base_url}/v1/seller/account"
if os.environ.get("EARLY"):
    AUTH.token()


def account(*ignored: object) -> str:
    """Ask who the seller is."""
    response = requests.get(URL, auth=AUTH, timeout=60)
    response.raise_for_status()
    return f"{response.json()['accountUid']} {os.getpid()}"


def wsgi(environ, start_response):
    """Answer as a WSGI app."""
    body = account().encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def main() -> None:
    """Answer as a program."""
    print(account())


if __name__ == "__main__":
    main()
