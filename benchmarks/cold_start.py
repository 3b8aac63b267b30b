"""Cold start: CPU time of a whole process from the import to the first 200, and of the import alone."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

from . import server
from .measure import ratios, shuffled, spread
from .subjects import BY_HAND, STATIC

OURS = "auth = OAuth2Auth('id', 'secret', token_endpoint='{base}/token', api_origins='{base}'{more})"
FIELDS = "{{'grant_type': 'client_credentials', 'client_id': 'id', 'client_secret': 'secret'}}"
BEARER = "headers={{'Authorization': 'Bearer at-forever'}}"
WITH = "headers={{'Authorization': 'Bearer ' + t.json()['access_token']}}"
AIO = (
    "import asyncio, aiohttp{first}\nasync def main():\n async with aiohttp.ClientSession({session}) as s:\n"
    "  {before}\n  async with s.get('{{base}}/api', {how}) as r: print(r.status)\nasyncio.run(main())"
)


def of_httpx(name: str) -> dict[str, str]:
    ours = f"import {name}; from krauth_{name} import OAuth2Auth; "
    return {
        STATIC: f"import {name}; print({name}.get('{{base}}/api', {BEARER}).status_code)",
        BY_HAND: f"import {name}; c = {name}.Client(); t = c.post('{{base}}/token', data={FIELDS});"
        f" print(c.get('{{base}}/api', {WITH}).status_code)",
        f"krauth {name}": f"{ours}{OURS.replace('{more}', '')}; print({name}.get('{{base}}/api', auth=auth).status_code)",
        f"krauth {name}, token_transport=client": f"{ours}c = {name}.Client(); {OURS.replace('{more}', ', token_transport=c')};"
        " print(c.get('{base}/api', auth=auth).status_code)",
    }


ours_requests = "import requests; from krauth_requests import OAuth2Auth; "
#: library → program
PROGRAMS: dict[str, dict[str, str]] = {
    "requests": {
        STATIC: f"import requests; print(requests.get('{{base}}/api', {BEARER}).status_code)",
        BY_HAND: f"import requests; s = requests.Session(); t = s.post('{{base}}/token', data={FIELDS});"
        f" print(s.get('{{base}}/api', {WITH}).status_code)",
        "krauth requests": f"{ours_requests}{OURS.replace('{more}', '')};"
        " print(requests.get('{base}/api', auth=auth).status_code)",
        "krauth requests, token_transport=session": f"{ours_requests}s = requests.Session();"
        f" {OURS.replace('{more}', ', token_transport=s')}; print(s.get('{{base}}/api', auth=auth).status_code)",
        "requests-oauthlib": "from oauthlib.oauth2 import BackendApplicationClient;"
        " from requests_oauthlib import OAuth2Session; s = OAuth2Session(client=BackendApplicationClient('id'));"
        " s.fetch_token('{base}/token', client_id='id', client_secret='secret'); print(s.get('{base}/api').status_code)",
        "Authlib": "from authlib.integrations.requests_client import OAuth2Session;"
        " s = OAuth2Session('id', 'secret', token_endpoint='{base}/token', grant_type='client_credentials');"
        " s.fetch_token(); print(s.get('{base}/api').status_code)",
    },
    "httpx": of_httpx("httpx")
    | {
        "httpx-auth": "import httpx; from httpx_auth import OAuth2ClientCredentials;"
        " print(httpx.get('{base}/api', auth=OAuth2ClientCredentials('{base}/token', 'id', 'secret')).status_code)"
    },
    "httpx2": of_httpx("httpx2"),
    "aiohttp": {
        STATIC: AIO.format(first="", session="", before="pass", how=BEARER),
        BY_HAND: AIO.format(
            first="",
            session="",
            before=f"async with s.post('{{base}}/token', data={FIELDS}) as r: t = (await r.json())['access_token']",
            how="headers={{'Authorization': 'Bearer ' + t}}",
        ),
        "krauth aiohttp": AIO.format(
            first="; from krauth_aiohttp import OAuth2Auth",
            session="middlewares=(auth,)",
            before="pass",
            how="",
        ).replace("\n async with aiohttp", "\n " + OURS.replace("{more}", "") + "\n async with aiohttp"),
    },
}
IMPORTS = {f"krauth_{library}": library for library in PROGRAMS}
IMPORT = "import time, {bare}; a = time.thread_time(); import {name}; print(time.thread_time() - a)"


def cpu_seconds(code: str, env: dict[str, str]) -> tuple[float, str]:
    """Return user and system CPU seconds of a whole process, the interpreter's start included, and what it prints."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True, check=True, env=env
    )
    return spent() - before, done.stdout.strip()


def run(*, full: bool) -> dict[str, Any]:
    """Return `{first: {scheme: {library: {what: {seconds, ratio}}}}, imports: {adapter: seconds}}`."""
    times: dict[tuple[str, str], dict[str, list[float]]] = {
        (scheme, library): {what: [] for what in programs}
        for scheme in ("https", "http")
        for library, programs in PROGRAMS.items()
    }
    imports: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with server.running() as handle:
        for number in range((21 if full else 5) + 1):
            for scheme, library in times:
                for what in shuffled(PROGRAMS[library], number):
                    code = PROGRAMS[library][what].format(base=getattr(handle, scheme))
                    seconds, printed = cpu_seconds(code, handle.env)
                    assert printed == "200", f"{what}: {printed}"
                    if number:  # the first round writes the byte code
                        times[scheme, library][what].append(seconds)
            for name, bare in IMPORTS.items():
                found = float(cpu_seconds(IMPORT.format(bare=bare, name=name), handle.env)[1])
                if number:
                    imports[name].append(found)
    first: dict[str, Any] = {"https": {}, "http": {}}
    for (scheme, library), found in times.items():
        first[scheme][library] = ratios(found, STATIC)
    return {"first": first, "imports": {name: spread(found) for name, found in imports.items()}}


if __name__ == "__main__":
    print(json.dumps(run(full=False)))
