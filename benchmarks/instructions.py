"""Instructions of a call, an import, a token request and a cold start, beside the same without krauth: `make instructions`.

Callgrind counts. One process forks for each subject, so that no subject changes the inline caches of another. A cold start
is a whole process over https, from the start of the interpreter to its end, and `cold_start` counts it. A count
changes with each build of Python; a ratio to what was counted beside it does so much less. From run to run the ratios of
calls differ by less than 1 % mostly and by 4 % at most, those of imports and token requests by 2 %.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_suffix(".json")
#: How much of itself a ratio may grow: with the build of Python that the baseline names, and with another.
SAME, OTHER = 0.05, 0.15
CALLS, LIBRARIES = 200, ("requests", "httpx", "httpx2", "aiohttp")
#: Callgrind writes its counts, and begins anew, when this function of the C library is called. No library calls it.
mark = os.getloadavg


def count(what: str, subject: str, task: Any, warm: Any = None) -> None:
    """Run a task in a fork, in which callgrind counts it, after `warm` or the same task."""
    mark()
    if (child := os.fork()) == 0:
        (warm or task)()
        mark()
        task()
        mark()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{what}: {subject} failed")
    print(child, what, subject, sep="\t", flush=True)


def make(library: str, base: str) -> Any:
    adapter = import_module(f"krauth_{library}")
    return adapter.OAuth2Auth("id", "secret", token_endpoint=f"{base}/token", api_origins=base)


def imports(base: str) -> None:
    """Count before anything else is loaded: the library, then our adapter with all that an auth object loads."""
    for library in LIBRARIES:
        load = partial(import_module, library)
        count(f"import krauth_{library}", library, load, int)
        count(f"import krauth_{library}", "krauth", partial(make, library, base), load)


def calls() -> None:
    """Count calls with a fresh token or an API key."""
    from . import hot_path as hot

    for kind, names in hot.KINDS.items():
        fields = {name: f"Bearer {hot.TOKEN}" if name == "Authorization" else hot.KEY for name in names}
        for stack, of_stack in hot.STACKS.items():
            prepare, subjects, drives = of_stack(kind, fields, peers=False)
            for name in [hot.STATIC, *(name for name in subjects if name.startswith(hot.OURS))]:
                count(f"{stack}, {kind}", name, *(partial(drives[name], subjects[name], prepare(CALLS)) for _ in "12"))


def token_requests(base: str) -> None:
    """Count a refresh over http, beside a request by hand."""
    import asyncio

    import aiohttp

    run, url = asyncio.new_event_loop().run_until_complete, f"{base}/token"
    form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}

    async def post() -> None:
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
            await answer.json()

    for library in LIBRARIES:
        auth, module = make(library, base), import_module(library)
        by_hand, ours = lambda: run(post()), lambda auth=auth: run(auth.arefresh())
        if library != "aiohttp":
            client = module.Session() if library == "requests" else module.Client()
            by_hand, ours = partial(client.post, url, data=form), auth.refresh
        count(f"token request of {library}", "by hand", by_hand)
        count(f"token request of {library}", "krauth", ours)


def ratios() -> dict[str, float]:
    """Return the ratio of each subject to the first one of the same."""
    from . import cold_start, scale, server

    if (valgrind := shutil.which("valgrind")) is None:
        raise SystemExit("valgrind is not installed; on Debian and Ubuntu: apt-get install valgrind")
    first: dict[str, int] = {}
    found: dict[str, float] = {}
    with server.running() as handle, tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "benchmarks.instructions", handle.http]
        how: Any = {"env": handle.env | {"PYTHONHASHSEED": "0"}, "check": True}
        subprocess.run(program, stdout=subprocess.DEVNULL, **how)  # writes the byte code
        callgrind = [
            valgrind,
            "-q",
            "--tool=callgrind",
            "--dump-before=getloadavg",
            f"--callgrind-out-file={folder}/%p",
        ]
        for line in subprocess.run(callgrind + program, stdout=subprocess.PIPE, text=True, **how).stdout.splitlines():
            child, what, subject = line.split("\t")
            total = int(re.findall(r"\ntotals: (\d+)", Path(folder, f"{child}.2").read_text())[0])
            if what in first:
                found[f"{what}: {subject}"] = round(total / first[what], 3)
            first.setdefault(what, total)
        is_wanted = ("krauth", cold_start.STATIC)
        wanted = [
            (one, what) for one in LIBRARIES[:2] for what in cold_start.PROGRAMS[one] if what.startswith(is_wanted)
        ]
        for one, what in wanted:  # writes the byte code
            cold_start.program(cold_start.PROGRAMS[one][what], handle.https, handle.env)
        for (_, what), counted in cold_start.instructions(wanted, handle).items():
            if what != cold_start.STATIC:
                found[f"cold start over https: {what}"] = round(counted["ratio"], 3)
        found["token of a seller, beside its signature: krauth"] = round(scale.instructions(handle) or 0.0, 3)
    return found


def main() -> None:
    """Compare with the baseline; with `--update` write it."""
    build, found = f"{platform.python_version()}, {platform.python_compiler()}, {platform.machine()}", ratios()
    if "--update" in sys.argv:
        BASELINE.write_text(json.dumps({"python": build, "ratios": found}, indent=1) + "\n")
    known = json.loads(BASELINE.read_text())
    allowed = SAME if known["python"] == build else OTHER
    print(f"Python {build}; the baseline is of {known['python']}: a ratio may grow by {allowed:.0%}")
    grown = []
    for name, now in found.items():
        before = known["ratios"].get(name, now)
        print(f"{now:8.3f}, before {before:.3f}: {name}")
        if now > before * (1 + allowed):
            grown.append(f"{name} grew by {now / before - 1:.1%}, from {before} to {now}")
    if grown:
        raise SystemExit("\n".join(grown) + "\nif that is meant, write the baseline anew with --update")


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--update"]):
        main()
    else:  # under callgrind
        gc.disable()
        imports(sys.argv[1])
        calls()
        token_requests(sys.argv[1])
        os._exit(0)
