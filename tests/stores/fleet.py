"""Run by test_processes: forks processes that use one store, from one that has imported everything and has no thread.

Reads a job (JSON) per line; writes what came of it (JSON) per line.
"""

import contextlib
import hashlib
import json
import os
import sys
import threading
import traceback

import requests

import krauth
import krauth_requests
import krauth_stores.redis  # before the first fork, so that no child has to
import krauth_stores.sql
import krauth_stores.sqlite  # noqa: F401
from krauth._plugins import open_store


def make_auth(job):
    if job["provider"] == "naver":
        return krauth_requests.NaverAuth(*job["client"], base_url=job["base_url"], store=job["store"])
    options = {"user": job["user"], "redirect_uri": job["redirect_uri"], "base_url": job["base_url"]}
    return krauth_requests.MelomingOAuth(*job["client"], store=job["store"], **options)


def token(job):
    """Obtain a token: its fingerprint."""
    return hashlib.sha256(make_auth(job).token().access_token.encode()).hexdigest()


def call(job):
    """Call the API: its status."""
    with requests.Session() as session:
        return session.get(job["url"], auth=make_auth(job), timeout=60).status_code


def work(job):
    """Do the task in all threads at once, and return what came of each."""
    results = []
    barrier = threading.Barrier(job["threads"])

    def run():
        barrier.wait(60)
        try:
            results.append({"token": token, "call": call}[job["task"]](job))
        except Exception as error:
            results.append("".join(traceback.format_exception(error)))

    threads = [threading.Thread(target=run) for _ in range(job["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def rotate(job, out):
    """Make every call need a new token, for ever."""
    with requests.Session() as session, requests.Session() as control:
        auth = make_auth(job)
        while session.get(job["url"], auth=auth, timeout=60).status_code == 200:
            os.write(out, b".")
            control.post(job["revoke"], headers={"X-Krauth-Sandbox": "1"}, timeout=60)


def sleep_under_lease(job, out):
    """Take a lease, stop as if the machine had been suspended, and save when woken."""
    store = open_store(job["store"])
    lease = store.acquire("key", job["seconds"])
    os.write(out, b".")
    os.kill(os.getpid(), 19)
    try:
        store.save("key", "stale", lease=lease)
    except krauth.StoreConflict:
        os.write(out, b"refused")


def fork(function):
    """Run `function(pipe)` in a child; return its pid and the other end."""
    near, far = os.pipe()
    pid = os.fork()
    if pid:
        os.close(far)
        return pid, near
    try:
        os.close(near)
        with contextlib.suppress(KeyboardInterrupt):
            function(far)
    finally:
        os._exit(0)


def together(job):
    """Start the processes, let them go at the same moment, and return the results of all threads."""
    gate, opener = os.pipe()

    def run(out):
        os.close(opener)
        os.read(gate, 1)
        with open(out, "w") as file:
            json.dump(work(job), file)

    children = [fork(run) for _ in range(job["processes"])]
    os.close(opener)
    os.close(gate)
    results = []
    for pid, near in children:
        with open(near) as file:
            text = file.read()
        results += json.loads(text) if text else [f"process {pid} ended without a word"]
        os.waitpid(pid, 0)
    return results


def alone(job):
    """Start one process; tell its pid once it has said something; then what else it says until it ends."""
    pid, near = fork(lambda out: {"rotate": rotate, "sleep": sleep_under_lease}[job["task"]](job, out))
    first = os.read(near, 1)
    print(json.dumps([pid, first.decode()]), flush=True)
    with open(near) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


if __name__ == "__main__":
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(together(job) if "processes" in job else alone(job)), flush=True)
