"""Part 6: what an import costs over the bare HTTP library, what it brings along, and the first token from cold."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from typing import Any

from . import server
from .measure import spread

ADAPTERS = {
    "krauth_requests": "requests",
    "krauth_httpx": "httpx",
    "krauth_httpx2": "httpx2",
    "krauth_aiohttp": "aiohttp",
}
PEERS = {
    "authlib.integrations.requests_client": "requests",
    "requests_oauthlib": "requests",
    "google.auth.transport.requests, google.oauth2.credentials": "requests",
    "msal": "requests",
    "botocore.tokens": "requests",
    "httpx_auth": "httpx",
    "authlib.integrations.httpx_client": "httpx2",
}
#: The words with which the row of an adapter ends that makes an auth object, too.
FIRST_OBJECT = ", first auth object"


def make(package: str) -> str:
    """A program's line that imports an adapter and makes an auth object."""
    return f"import {package}; auth = {package}.NaverAuth('id', '$2a$04$abcdefghijklmnopqrstuu')"


#: row → what its user has imported anyway, and what is measured
ROWS = {
    "krauth": ("typing", "import krauth"),
    "from krauth import Token, MemoryStore, RefreshPolicy": (
        "typing",
        "from krauth import Token, MemoryStore, RefreshPolicy",
    ),
    **{name: (bare, f"import {name}") for name, bare in ADAPTERS.items()},
    **{name + FIRST_OBJECT: (bare, make(name)) for name, bare in ADAPTERS.items()},
    **{name: (bare, f"import {name}") for name, bare in PEERS.items()},
}

CODE = """
import sys, time
a = time.thread_time()
import {bare}
b = time.thread_time()
before = set(sys.modules)
{statement}
c = time.thread_time()
import json
print(json.dumps([b - a, c - b, sorted(set(sys.modules) - before)]))
"""

STATIC = "static bearer"
#: library → from cold: interpreter start to the first answered API call; the control sends a static bearer.
FIRST = {
    "requests": {
        STATIC: "import requests;"
        " print(requests.get('{base}/api', headers={{'Authorization': 'Bearer at-forever'}}).status_code)",
        "krauth requests": "import requests; from krauth_requests import OAuth2Auth;"
        " auth = OAuth2Auth('id', 'secret', token_endpoint='{base}/token', api_origins='{base}');"
        " print(requests.get('{base}/api', auth=auth).status_code)",
        "Authlib (requests)": "from authlib.integrations.requests_client import OAuth2Session;"
        " s = OAuth2Session('id', 'secret', token_endpoint='{base}/token', grant_type='client_credentials');"
        " s.fetch_token(); print(s.get('{base}/api').status_code)",
        "requests-oauthlib": "from oauthlib.oauth2 import BackendApplicationClient;"
        " from requests_oauthlib import OAuth2Session;"
        " s = OAuth2Session(client=BackendApplicationClient('id'));"
        " s.fetch_token('{base}/token', client_id='id', client_secret='secret'); print(s.get('{base}/api').status_code)",
    },
    "httpx": {
        STATIC: "import httpx;"
        " print(httpx.get('{base}/api', headers={{'Authorization': 'Bearer at-forever'}}).status_code)",
        "krauth httpx": "import httpx; from krauth_httpx import OAuth2Auth;"
        " auth = OAuth2Auth('id', 'secret', token_endpoint='{base}/token', api_origins='{base}');"
        " print(httpx.get('{base}/api', auth=auth).status_code)",
        "httpx-auth": "import httpx; from httpx_auth import OAuth2ClientCredentials;"
        " print(httpx.get('{base}/api', auth=OAuth2ClientCredentials('{base}/token', 'id', 'secret')).status_code)",
    },
}

#: where our extra goes → what precedes, and what is measured
EXTRAS = {
    "plugins, requests": (make("krauth_requests") + "; from krauth._plugins import plugins", "plugins()"),
    "plugins, httpx": (make("krauth_httpx") + "; from krauth._plugins import plugins", "plugins()"),
    "httpx.Client()": (make("krauth_httpx") + "; import httpx; theirs = httpx.Client()", "ours = httpx.Client()"),
}
EXTRA_CODE = """
import time
{before}
a = time.thread_time()
{statement}
print(time.thread_time() - a)
"""


def environment(cache: str) -> dict[str, str]:
    """An installed package has byte code; so has ours here, whatever the shell says."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    insecure = {"OAUTHLIB_INSECURE_TRANSPORT": "1", "AUTHLIB_INSECURE_TRANSPORT": "1"}
    return {**kept, **insecure, "PYTHONPYCACHEPREFIX": cache, "NO_PROXY": "*"}


def child(code: str, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, env=env)
    return done.stdout


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_seconds(code: str, env: dict[str, str]) -> float:
    """User and system CPU of a whole process, its interpreter's start included."""
    before = children_seconds()
    assert child(code, env).strip() == "200"
    return children_seconds() - before


def tree(module: str, env: dict[str, str]) -> list[dict[str, Any]]:
    """The ten dearest modules of `-X importtime`, by their own time."""
    bare, statement = ROWS[module]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {bare}; {statement}"],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        env=env,
    )
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line][1:]
    names = [row[2].strip() for row in rows]
    mine = rows[names.index(bare) + 1 :] if bare in names else rows
    found = [{"module": row[2].strip(), "us": int(row[0])} for row in mine]
    return sorted(found, key=lambda one: -one["us"])[:10]


def run(*, full: bool) -> dict[str, Any]:
    """Return `{imports, trees, first_token_cpu, extras}`."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ROWS}
    brought: dict[str, list[str]] = {}
    first: dict[str, dict[str, list[float]]] = {
        library: {name: [] for name in programs} for library, programs in FIRST.items()
    }
    extras: dict[str, list[float]] = {name: [] for name in EXTRAS}
    with tempfile.TemporaryDirectory() as cache, server.running() as handle:
        env = environment(cache)
        for number in range((29 if full else 7) + 1):
            for name, (bare, statement) in ROWS.items():
                bare_s, mine_s, modules = json.loads(child(CODE.format(bare=bare, statement=statement), env))
                if number:  # the first round wrote the byte code
                    times[name].append((bare_s, mine_s))
                brought[name] = modules
            for library, programs in FIRST.items():
                for name, code in programs.items():
                    spent = cpu_seconds(code.format(base=handle.base), env)
                    if number:
                        first[library][name].append(spent)
            for name, (before, statement) in EXTRAS.items():
                spent = float(child(EXTRA_CODE.format(before=before, statement=statement), env))
                if number:
                    extras[name].append(spent)
        trees = {name: tree(name, env) for name in ("krauth", *ADAPTERS)}
    return {
        "imports": {name: summary(name, found, brought[name]) for name, found in times.items()},
        "trees": trees,
        "first_token_cpu": {library: over_static(found) for library, found in first.items()},
        "extras": {name: spread(found) for name, found in extras.items()},
    }


def summary(name: str, found: list[tuple[float, float]], modules: list[str]) -> dict[str, Any]:
    """What a row of imports came to; `typing` is next to nothing, so that a share of it says nothing."""
    over = ROWS[name][0]
    share = {} if over == "typing" else {"share": spread(mine / bare for bare, mine in found)}
    return {
        "over": over,
        "bare_seconds": spread(bare for bare, _ in found),
        "seconds": spread(mine for _, mine in found),
        **share,
        "modules": len(modules),
        "foreign_modules": [one for one in modules if not one.startswith((name.partition(".")[0], "krauth"))],
    }


def over_static(found: dict[str, list[float]]) -> dict[str, Any]:
    """The seconds, and their ratio to the static bearer's of the same round."""
    return {
        name: {
            "seconds": spread(spent),
            "ratio": spread(mine / static for mine, static in zip(spent, found[STATIC], strict=True)),
        }
        for name, spent in found.items()
    }
