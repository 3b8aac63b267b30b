"""A process that is stopped while the token endpoint answers: the answer that has arrived is taken, however late."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from faults import Faulty, Reply

pytestmark = [pytest.mark.slow, pytest.mark.process]

#: Seconds of one attempt, and for how long the process is stopped: longer than any grace after the attempt.
ATTEMPT, STOPPED = 1.0, 2.3
TOKEN = Reply(json.dumps({"access_token": "late", "token_type": "Bearer", "expires_in": 3600}).encode())
PROGRAM = """
import sys
from krauth import RefreshPolicy
from stacks import BY_NAME

stack, url, given, attempt = BY_NAME[sys.argv[1]], sys.argv[2], sys.argv[3] == "given", float(sys.argv[4])
with stack.client() as client:
    auth = stack.MelomingOAuth(
        "app", "some-client-secret", base_url=url, token_transport=client.native if given else None,
        refresh=RefreshPolicy(attempts=1, timeout=20, attempt_timeout=attempt),
    )
    print(stack.token(auth).access_token, flush=True)
"""


@pytest.mark.parametrize(("given", "tls"), [("own", True), ("given", False)])
def test_an_answer_that_has_arrived_is_taken(stack, given, tls, server_tls, world):
    """A process is stopped after its token request and goes on after `attempt_timeout`: it uses the answer, and asks once."""
    asked, answered = threading.Event(), threading.Event()
    stopped = threading.Event()

    def answer_while_stopped(peer, reply):
        asked.set()
        stopped.wait(20)
        head, body = reply.head(), reply.body
        for part in (head[:20], head[20:], body[:5], body[5:]):
            peer.send(part)
        answered.set()

    with (
        Faulty(answer_while_stopped, TOKEN, tls=server_tls if tls else None) as server,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, stack.name, server.url, given, str(ATTEMPT)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
                **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), world.ca_file),
            },
        ) as child,
    ):
        try:
            assert asked.wait(60)
            os.kill(child.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED)
            stopped.set()
            assert answered.wait(5)
            time.sleep(STOPPED)  # this is what is tested
            os.kill(child.pid, signal.SIGCONT)
            out, err = child.communicate(timeout=20)
        finally:
            child.kill()
        assert (out, len(server.requests)) == ("late\n", 1), err
