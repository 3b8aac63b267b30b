"""Part 6: what an import costs over the bare HTTP library, what it brings along, and the first token from cold."""

# Whole programs, each on a line:

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from . import server
from .measure import spread

#: what is imported → what its user has imported anyway
IMPORTS = {
    "krauth": "typing",
    "krauth_requests": "requests",
    "krauth_httpx": "httpx",
    "krauth_httpx2": "httpx2",
    "krauth_aiohttp": "aiohttp",
    "authlib.integrations.requests_client": "requests",
    "requests_oauthlib": "requests",
    "google.auth.transport.requests, google.oauth2.credentials": "requests",
    "msal": "requests",
    "botocore.tokens": "requests",
    "httpx_auth": "httpx",
    "authlib.integrations.httpx_client": "httpx2",
}

CODE = """
import sys, time
a = time.thread_time()
import {bare}
b = time.thread_time()
before = set(sys.modules)
import {module}
c = time.thread_time()
import json
print(json.dumps([b - a, c - b, sorted(set(sys.modules) - before)]))
"""

#: From cold: interpreter start to the first answered API call; the control sends a static bearer.
FIRST = {
    "static bearer": "import requests; print(requests.get('{base}/api', headers={{'Authorization': 'Bearer at-forever'}}).status_code)",
    "krauth requests": "import requests; from krauth_requests import OAuth2Auth;"
    " print(requests.get('{base}/api', auth=OAuth2Auth('id', 'secret', token_endpoint='{base}/token', api_origins='{base}')).status_code)",
    "Authlib (requests)": "from authlib.integrations.requests_client import OAuth2Session;"
    " s = OAuth2Session('id', 'secret', token_endpoint='{base}/token', grant_type='client_credentials');"
    " s.fetch_token(); print(s.get('{base}/api').status_code)",
    "requests-oauthlib": "from oauthlib.oauth2 import BackendApplicationClient; from requests_oauthlib import OAuth2Session;"
    " s = OAuth2Session(client=BackendApplicationClient('id'));"
    " s.fetch_token('{base}/token', client_id='id', client_secret='secret'); print(s.get('{base}/api').status_code)",
    "httpx: static bearer": "import httpx; print(httpx.get('{base}/api', headers={{'Authorization': 'Bearer at-forever'}}).status_code)",
    "krauth httpx": "import httpx; from krauth_httpx import OAuth2Auth;"
    " print(httpx.get('{base}/api', auth=OAuth2Auth('id', 'secret', token_endpoint='{base}/token', api_origins='{base}')).status_code)",
    "httpx-auth": "import httpx; from httpx_auth import OAuth2ClientCredentials;"
    " print(httpx.get('{base}/api', auth=OAuth2ClientCredentials('{base}/token', 'id', 'secret')).status_code)",
}


def environment(cache: str) -> dict[str, str]:
    """An installed package has byte code; so has ours here, whatever the shell says."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    insecure = {"OAUTHLIB_INSECURE_TRANSPORT": "1", "AUTHLIB_INSECURE_TRANSPORT": "1"}
    return {**kept, **insecure, "PYTHONPYCACHEPREFIX": cache, "NO_PROXY": "*"}


def child(code: str, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, env=env)
    return done.stdout


def cpu_seconds(code: str, env: dict[str, str]) -> float:
    """User and system CPU of a whole process, its interpreter's start included."""
    before = os.times()
    assert child(code, env).strip() == "200"
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def tree(module: str, env: dict[str, str]) -> list[dict[str, Any]]:
    """The ten dearest modules of `-X importtime`, by their own time."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {IMPORTS[module]}; import {module}"],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        env=env,
    )
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line][1:]
    names = [row[2].strip() for row in rows]
    mine = rows[names.index(IMPORTS[module]) + 1 :] if IMPORTS[module] in names else rows
    found = [{"module": row[2].strip(), "us": int(row[0])} for row in mine]
    return sorted(found, key=lambda one: -one["us"])[:10]


def run(*, full: bool) -> dict[str, Any]:
    """Return `{imports, trees, first}`."""
    rounds = 41 if full else 9
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    brought: dict[str, list[str]] = {}
    first: dict[str, list[float]] = {name: [] for name in FIRST}
    with tempfile.TemporaryDirectory() as cache, server.running() as handle:
        env = environment(cache)
        for number in range(rounds + 1):
            for module, bare in IMPORTS.items():
                bare_s, mine_s, modules = json.loads(child(CODE.format(bare=bare, module=module), env))
                if number:  # the first round wrote the byte code
                    times[module].append((bare_s, mine_s))
                brought[module] = modules
            for name, code in FIRST.items():
                spent = cpu_seconds(code.format(base=handle.base), env)
                if number:
                    first[name].append(spent)
        trees = {name: tree(name, env) for name in IMPORTS if name.startswith("krauth")}
    imports = {
        module: {
            "over": IMPORTS[module],
            "bare_seconds": spread(bare for bare, _ in found),
            "seconds": spread(mine for _, mine in found),
            "share": spread(mine / bare for bare, mine in found),
            "modules": len(brought[module]),
            "foreign_modules": [
                one for one in brought[module] if not one.startswith((module.partition(".")[0], "krauth"))
            ],
        }
        for module, found in times.items()
    }
    return {"imports": imports, "trees": trees, "first_token_cpu": {name: spread(one) for name, one in first.items()}}
