"""Cold start: CPU time of a whole process from the import to the first 200, and of the import of an adapter alone."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import textwrap
from typing import Any

from . import server
from .measure import SMOKE, ratios, rounds, say, shuffled
from .subjects import BY_HAND, STATIC

#: seconds for each scheme
SECONDS = {"https": (0.0, 40.0, 300.0), "http": (0.0, 15.0, 150.0)}
#: What the programs below share; `{base}` is filled in when they run.
AUTH = "auth = OAuth2Auth('id', 'secret', token_endpoint='{base}/token', api_origins='{base}'"
FIELDS = "data=dict(grant_type='client_credentials', client_id='id', client_secret='secret')"
BEARER = "headers=dict(Authorization='Bearer at-forever')"
ANSWER = "headers=dict(Authorization='Bearer ' + t.json()['access_token'])"
AIOHTTP = """
    import asyncio, aiohttp
    {first}
    async def main():
        async with aiohttp.ClientSession({session}) as s:
            {before}
            async with s.get('{{base}}/api', {how}) as r: print(r.status)
    asyncio.run(main())
"""


def blocking(library: str, client: str) -> dict[str, str]:
    """Return the programs of a library with clients that block."""
    ours = f"import {library}; from krauth_{library} import OAuth2Auth; "
    return {
        STATIC: f"import {library}; print({library}.get('{{base}}/api', {BEARER}).status_code)",
        BY_HAND: f"import {library}; c = {library}.{client}(); t = c.post('{{base}}/token', {FIELDS});"
        f" print(c.get('{{base}}/api', {ANSWER}).status_code)",
        f"krauth {library}": f"{ours}{AUTH}); print({library}.get('{{base}}/api', auth=auth).status_code)",
        f"krauth {library}, token_transport=client": f"{ours}c = {library}.{client}(); {AUTH}, token_transport=c);"
        " print(c.get('{base}/api', auth=auth).status_code)",
    }


def aiohttp(first: str = "", session: str = "", before: str = "pass", how: str = "") -> str:
    return textwrap.dedent(AIOHTTP).format(first=first, session=session, before=before, how=how)


#: library → what → program
PROGRAMS: dict[str, dict[str, str]] = {
    "requests": blocking("requests", "Session")
    | {
        "requests-oauthlib": "from oauthlib.oauth2 import BackendApplicationClient;"
        " from requests_oauthlib import OAuth2Session; s = OAuth2Session(client=BackendApplicationClient('id'));"
        " s.fetch_token('{base}/token', client_id='id', client_secret='secret'); print(s.get('{base}/api').status_code)",
        "Authlib": "from authlib.integrations.requests_client import OAuth2Session;"
        " s = OAuth2Session('id', 'secret', token_endpoint='{base}/token', grant_type='client_credentials');"
        " s.fetch_token(); print(s.get('{base}/api').status_code)",
    },
    "httpx": blocking("httpx", "Client")
    | {
        "httpx-auth": "import httpx; from httpx_auth import OAuth2ClientCredentials;"
        " print(httpx.get('{base}/api', auth=OAuth2ClientCredentials('{base}/token', 'id', 'secret')).status_code)"
    },
    "httpx2": blocking("httpx2", "Client"),
    "aiohttp": {
        STATIC: aiohttp(how=BEARER),
        BY_HAND: aiohttp(
            before=f"async with s.post('{{base}}/token', {FIELDS}) as r: t = (await r.json())['access_token']",
            how="headers=dict(Authorization='Bearer ' + t)",
        ),
        "krauth aiohttp": aiohttp(f"from krauth_aiohttp import OAuth2Auth; {AUTH})", "middlewares=(auth,)"),
    },
}
IMPORT = "import time, {0}; a = time.thread_time(); import krauth_{0}; print(time.thread_time() - a)"


def cpu_seconds(code: str, env: dict[str, str]) -> tuple[float, str]:
    """Return user and system CPU seconds of a whole process, the interpreter's start included, and what it prints."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before, command = spent(), [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    return spent() - before, done.stdout.strip()


def run(size: int) -> dict[str, Any]:
    """Return one row for each library and program: `{stack, what, https, http, import}`."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    programs = {key: PROGRAMS[key] for key in ("httpx", "aiohttp")} if size == SMOKE else PROGRAMS
    with server.running() as handle:
        for scheme, seconds in SECONDS.items():
            say(f"  {scheme}")
            base = getattr(handle, scheme)
            for library in programs:  # the first runs write the byte code
                cpu_seconds(programs[library][f"krauth {library}"].replace("{base}", base), handle.env)
            times: dict[str, dict[str, list[float]]] = {one: {what: [] for what in programs[one]} for one in programs}
            imports: dict[str, list[float]] = {library: [] for library in programs}
            for number in rounds(seconds[size]):
                for library in programs:
                    for what in shuffled(programs[library], number):
                        cpu, printed = cpu_seconds(programs[library][what].replace("{base}", base), handle.env)
                        assert printed == "200", f"{what}: {printed}"
                        times[library][what].append(cpu)
                    imports[library].append(float(cpu_seconds(IMPORT.format(library), handle.env)[1]))
            for library in programs:
                for what, one in ratios(times[library], STATIC).items():
                    row = found.setdefault((library, what), {"stack": library, "what": what})
                    row[scheme] = one
                    if what == f"krauth {library}":
                        row["import"] = statistics.median(imports[library])
    return {"rows": list(found.values())}
