"""Cold start: a whole process from the import to the first 200, in CPU time and, with valgrind, in instructions.

CPU time differs from run to run by a tenth, so small differences drown. Instructions of one program differ by 0.1 %.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import server
from .measure import SMOKE, ratios, rounds, say, shuffled, some
from .subjects import BY_HAND, STATIC

#: seconds for each scheme; there are two rounds at least, of ten seconds each
SECONDS = {"https": (0.0, 20.0, 300.0), "http": (0.0, 0.0, 150.0)}
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
#: Counts instructions in half the time of callgrind, which also tells whose they are.
COUNTER = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
IMPORT = "import time, {0}; a = time.thread_time(); import krauth_{0}; print(time.thread_time() - a)"


def program(code: str, base: str, env: dict[str, str], *before: str) -> tuple[str, str]:
    """Run a program to its end, by the command `before` if there is one; return what is on stdout and on stderr."""
    command = [*before, sys.executable, "-W", "ignore", "-c", code.replace("{base}", base)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return done.stdout.strip(), done.stderr


def spent() -> float:
    """Return the CPU seconds, user and system, of all processes that have ended, from the interpreter's start on."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def instructions(wanted: list[tuple[str, str]], handle: server.Handle) -> dict[tuple[str, str], dict[str, float]]:
    """Return the instructions of programs over https, and their ratio to the static bearer, which stands before them."""
    counts = dict(zip(wanted, counted([PROGRAMS[library][what] for library, what in wanted], handle), strict=False))
    return {one: {"count": found, "ratio": found / counts[one[0], STATIC]} for one, found in counts.items()}


def counted(codes: list[str], handle: server.Handle) -> list[int]:
    """Return the instructions of programs that print 200, over https; none without valgrind."""
    valgrind = shutil.which("valgrind")

    def count(code: str) -> int:
        env = handle.env | {"PYTHONHASHSEED": "0"}
        printed, told = program(code, handle.https, env, str(valgrind), *COUNTER)
        assert printed == "200", f"{code}: {printed}"
        return int(re.findall(r"I +refs: +([\d,]+)", told)[0].replace(",", ""))

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # a count does not mind neighbours
        return list(pool.map(count, codes if valgrind else []))


def run(size: int) -> dict[str, Any]:
    """Return one row for each library and program: `{stack, what, https, http, import, instructions}`."""
    programs = {key: PROGRAMS[key] for key in ("httpx", "aiohttp")} if size == SMOKE else PROGRAMS
    wanted = [(library, what) for library in programs for what in programs[library]]
    found: dict[tuple[str, str], dict[str, Any]] = {one: {"stack": one[0], "what": one[1]} for one in wanted}
    with server.running() as handle:
        for scheme, seconds in SECONDS.items():
            say(f"  {scheme}")
            base = getattr(handle, scheme)
            for library in programs:  # the first runs write the byte code
                program(programs[library][f"krauth {library}"], base, handle.env)
            times: dict[str, dict[str, list[float]]] = {one: {what: [] for what in programs[one]} for one in programs}
            imports: dict[str, list[float]] = {library: [] for library in programs}
            for number in rounds(seconds[size]):
                for library in programs:
                    for what in shuffled(programs[library], number):
                        before, (printed, _) = spent(), program(programs[library][what], base, handle.env)
                        assert printed == "200", f"{what}: {printed}"
                        times[library][what].append(spent() - before)
                    imports[library].append(float(program(IMPORT.format(library), base, handle.env)[0]))
            for library in programs:
                found[library, f"krauth {library}"]["import"] = statistics.median(imports[library])
                for what, one in ratios(times[library], STATIC).items():
                    found[library, what][scheme] = one
        say("  instructions")
        for one, counted in instructions(some(wanted, size), handle).items():
            found[one]["instructions"] = counted
    return {"rows": list(found.values())}
