"""Many callers over real sockets: threads, tasks, event loops, trio, forks, exits. Each crowd costs one token request."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trio

import krauth_aiohttp
import krauth_httpx
import krauth_httpx2
import krauth_requests
from krauth import MemoryStore, RefreshPolicy, TokenTransportError
from krauth._engine.backoff import MEMORY

ADAPTERS = {
    "requests": krauth_requests,
    "httpx": krauth_httpx,
    "httpx2": krauth_httpx2,
    "aiohttp": krauth_aiohttp,
}
PATIENCE = 60.0
#: Seconds that the token endpoint takes where a test needs a caller to be waiting.
SLOW = 0.4

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.filterwarnings("error")]


def naver(sandbox, stack, **settings):
    settings = {"base_url": sandbox.naver_url, "store": MemoryStore()} | settings
    return ADAPTERS[stack].NaverAuth(sandbox.naver_client_id, sandbox.naver_client_secret, **settings)


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.002)


@contextlib.contextmanager
def calling(sandbox, stack, auth):
    """A function that makes one API call, blocking, and returns its status."""
    url = sandbox.naver_url + "/v1/seller/account"
    if stack == "requests":
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
            yield lambda: session.get(url, auth=auth, timeout=PATIENCE).status_code
    else:
        library = {"httpx": httpx, "httpx2": httpx2}[stack]
        with library.Client(trust_env=False, timeout=PATIENCE) as client:
            yield lambda: client.get(url, auth=auth).status_code


@contextlib.asynccontextmanager
async def acalling(sandbox, stack, auth):
    """A coroutine function that makes one API call and returns its status."""
    url = sandbox.naver_url + "/v1/seller/account"
    if stack == "aiohttp":
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(middlewares=(auth,), timeout=timeout) as session:

            async def call():
                async with session.get(url) as response:
                    return response.status

            yield call
    else:
        library = {"httpx": httpx, "httpx2": httpx2}[stack]
        async with library.AsyncClient(auth=auth, trust_env=False, timeout=PATIENCE) as client:

            async def call():
                return (await client.get(url)).status_code

            yield call


def together(number, function):
    """Run `function(index)` in so many threads that begin at once; return what they return or raise."""
    barrier = threading.Barrier(number)

    def begin(index):
        barrier.wait(PATIENCE)
        return function(index)

    with ThreadPoolExecutor(number) as pool:
        futures = [pool.submit(begin, index) for index in range(number)]
        return [future.exception(PATIENCE) or future.result() for future in futures]


# ---- crowds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["requests", "httpx", "httpx2"])
def test_sixty_four_threads_without_a_token_cost_one_request(sandbox, stack):
    """Sixty-four threads call at once through one auth object: one token request, and every call succeeds."""
    with calling(sandbox, stack, naver(sandbox, stack)) as call:
        assert set(together(64, lambda _: call())) == {200}
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["requests", "httpx", "httpx2"])
def test_sixty_four_threads_with_a_revoked_token_cost_one_request(sandbox, stack):
    """Sixty-four threads whose token was revoked: one token request more, and no caller sees the 401."""
    auth = naver(sandbox, stack)
    auth.token()
    sandbox.naver.revoke_all()
    with calling(sandbox, stack, auth) as call:
        assert set(together(64, lambda _: call())) == {200}
    assert sandbox.naver.token_requests == 2


@pytest.mark.parametrize("stack", ["requests", "httpx", "aiohttp"])
def test_sixty_four_threads_with_auth_objects_of_their_own_cost_one_request(sandbox, stack):
    """An auth object per caller, equal credentials and store: still one token request."""
    store = MemoryStore()

    def obtain(_):
        return naver(sandbox, stack, store=store).token().access_token

    assert len(set(together(64, obtain))) == 1
    assert sandbox.naver.token_requests == 1


def test_a_thousand_aiohttp_tasks_cost_one_request(sandbox):
    """A thousand tasks make an API call each: one token request, and every call succeeds."""

    async def main():
        async with acalling(sandbox, "aiohttp", naver(sandbox, "aiohttp")) as call:
            return await asyncio.gather(*(call() for _ in range(1000)))

    assert set(asyncio.run(main())) == {200}
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["httpx", "httpx2"])
def test_a_thousand_httpx_tasks_cost_one_request(sandbox, stack):
    """The same for httpx, whose pool is quadratic in waiting requests: the API is a mock, the token endpoint is not."""
    library = {"httpx": httpx, "httpx2": httpx2}[stack]
    good = set()

    def api(request):
        good.add(request.headers["Authorization"])
        return library.Response(200)

    async def main():
        transport = library.MockTransport(api)
        async with library.AsyncClient(auth=naver(sandbox, stack), transport=transport) as client:
            url = sandbox.naver_url + "/v1/seller/account"
            responses = await asyncio.gather(*(client.get(url) for _ in range(1000)))
            return [response.status_code for response in responses]

    assert asyncio.run(main()) == [200] * 1000
    assert len(good) == 1
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["httpx", "httpx2", "aiohttp"])
def test_two_hundred_tasks_with_a_revoked_token_cost_one_request(sandbox, stack):
    """Two hundred tasks whose token was revoked: one token request more, and no caller sees the 401."""

    async def main():
        auth = naver(sandbox, stack)
        await auth.atoken()
        sandbox.naver.revoke_all()
        async with acalling(sandbox, stack, auth) as call:
            return await asyncio.gather(*(call() for _ in range(200)))

    assert set(asyncio.run(main())) == {200}
    assert sandbox.naver.token_requests == 2


@pytest.mark.parametrize("stack", ["httpx2", "aiohttp"])
def test_a_thousand_tasks_with_auth_objects_of_their_own_cost_one_request(sandbox, stack):
    """An auth object per task, as built per request: one token request."""
    store = MemoryStore()

    async def main():
        return await asyncio.gather(*(naver(sandbox, stack, store=store).atoken() for _ in range(1000)))

    assert len({token.access_token for token in asyncio.run(main())}) == 1
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["httpx", "aiohttp"])
def test_four_event_loops_with_250_tasks_each_cost_one_request(sandbox, stack):
    """One auth object, four loops in four threads, a thousand callers: one token request, no failed caller."""
    auth = naver(sandbox, stack)

    def loop(_):
        async def main():
            async with acalling(sandbox, stack, auth) as call:
                # Every caller needs the token; every fifth also makes a call with it.
                return await asyncio.gather(*(call() if n % 5 == 0 else auth.atoken() for n in range(250)))

        return asyncio.run(main())

    for results in together(4, loop):
        assert not isinstance(results, BaseException), results
        assert len(results) == 250
        assert {result for result in results if isinstance(result, int)} == {200}
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["httpx", "httpx2"])
def test_two_hundred_trio_tasks_cost_one_request(sandbox, stack):
    """Trio is served by the same engine: two hundred tasks, one token request."""
    statuses = []

    async def main():
        with trio.fail_after(20):  # woken when the token comes, not when their patience ends
            async with acalling(sandbox, stack, naver(sandbox, stack)) as call, trio.open_nursery() as nursery:

                async def one():
                    statuses.append(await call())

                for _ in range(200):
                    nursery.start_soon(one)

    trio.run(main)
    assert statuses == [200] * 200
    assert sandbox.naver.token_requests == 1


def test_threads_tasks_and_trio_at_once_cost_one_request(sandbox):
    """One key, four stacks, threads, two kinds of event loop: one token request."""
    store = MemoryStore()

    def threads(_):
        return [naver(sandbox, "requests", store=store).token().access_token]

    def tasks(_):
        async def main():
            auth = naver(sandbox, "aiohttp", store=store)
            return [token.access_token for token in await asyncio.gather(*(auth.atoken() for _ in range(50)))]

        return asyncio.run(main())

    def trios(_):
        async def main():
            return [(await naver(sandbox, "httpx", store=store).atoken()).access_token]

        return trio.run(main)

    kinds = [threads, tasks, trios]
    results = together(12, lambda index: kinds[index % 3](index))
    assert len({token for result in results for token in result}) == 1
    assert sandbox.naver.token_requests == 1


def test_a_session_that_carries_the_auth_carries_its_token_requests_for_a_crowd(sandbox):
    """The very client that waits sends the token request on its own event loop: no deadlock, one request."""

    async def main():
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            client.auth = naver(sandbox, "httpx", token_transport=client)
            url = sandbox.naver_url + "/v1/seller/account"
            responses = await asyncio.gather(*(client.get(url) for _ in range(50)))
            return {response.status_code for response in responses}

    assert asyncio.run(main()) == {200}
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("threads", [8, 32])
def test_an_api_that_refuses_everything_is_no_reason_to_hammer_the_token_endpoint(sandbox, threads):
    """Threads that are refused whatever token they hold cost a handful of token requests, not one per call."""
    sandbox.meloming.fail_api(401, times=None, body={"code": "AUTHENTICATION_REQUIRED"})
    auth = krauth_requests.MelomingOAuth(
        sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url, store=MemoryStore()
    )

    def loop(_):
        with requests.Session() as session:
            session.trust_env = False
            return {session.get(sandbox.meloming_url + "/v1/me", auth=auth).status_code for _ in range(20)}

    assert together(threads, loop) == [{401}] * threads
    assert sandbox.meloming.token_requests <= 8


def test_a_thousand_callers_with_a_wrong_secret_cost_a_handful_of_requests(sandbox):
    """Every caller is told; the token endpoint hears of it a few times."""
    auth = krauth_httpx.MelomingOAuth(
        sandbox.meloming_client_id, "a-wrong-secret", base_url=sandbox.meloming_url, store=MemoryStore()
    )

    async def main():
        return await asyncio.gather(*(auth.atoken() for _ in range(1000)), return_exceptions=True)

    started = time.monotonic()
    errors = asyncio.run(main())
    seconds = time.monotonic() - started
    assert {type(error).__name__ for error in errors} == {"InvalidClientError"}
    assert len({id(error) for error in errors}) == 1000
    assert sandbox.meloming.token_requests <= 1 + seconds / MEMORY


# ---- callers that go away ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["httpx", "aiohttp"])
def test_a_cancelled_leader_leaves_the_refresh_to_the_others(sandbox, stack):
    """The task that began the refresh is cancelled in the middle of it: the rest get their token from it."""
    sandbox.naver.token_delay = SLOW

    async def main():
        auth = naver(sandbox, stack)
        leader = asyncio.create_task(auth.atoken())
        while not sandbox.naver.token_requests:
            await asyncio.sleep(0.002)
        followers = [asyncio.create_task(auth.atoken()) for _ in range(50)]
        await asyncio.sleep(0)
        leader.cancel()
        for follower in followers[:10]:
            follower.cancel()
        results = await asyncio.gather(leader, *followers, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results[:11])
        return results[11:]

    tokens = asyncio.run(main())
    assert len({token.access_token for token in tokens}) == 1
    assert sandbox.naver.token_requests == 1


def test_a_cancelled_trio_leader_leaves_the_refresh_to_the_others(sandbox):
    """The same under trio: a cancelled scope cancels no other caller."""
    sandbox.naver.token_delay = SLOW
    tokens = []

    async def main():
        auth = naver(sandbox, "httpx")

        async def obtain():
            tokens.append(await auth.atoken())

        async with trio.open_nursery() as followers, trio.open_nursery() as leaders:
            leaders.start_soon(auth.atoken)
            while not sandbox.naver.token_requests:
                await trio.sleep(0.002)
            for _ in range(50):
                followers.start_soon(obtain)
            leaders.cancel_scope.cancel()

    trio.run(main)
    assert len(tokens) == 50
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["httpx", "aiohttp"])
def test_a_loop_that_ends_under_a_refresh_leaves_it_to_the_other_loops(sandbox, stack):
    """The event loop of the caller that began the refresh is closed; a caller on another loop gets the token."""
    sandbox.naver.token_delay = SLOW
    auth = naver(sandbox, stack)

    async def begin():
        task = asyncio.create_task(auth.atoken())
        while not sandbox.naver.token_requests:
            await asyncio.sleep(0.002)
        task.cancel()

    asyncio.run(begin())
    assert asyncio.run(auth.atoken()).access_token
    assert sandbox.naver.token_requests == 1


def test_waiters_that_time_out_leave_the_refresh_running(sandbox):
    """Fifty tasks that give up after a moment: the token comes all the same, and the next caller finds it."""
    sandbox.naver.token_delay = SLOW

    async def main():
        auth = naver(sandbox, "httpx")
        waits = [asyncio.wait_for(auth.atoken(), 0.05) for _ in range(50)]
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(result) for result in results} == {TimeoutError}
        return await auth.atoken()

    assert asyncio.run(main()).access_token
    assert sandbox.naver.token_requests == 1


def test_a_blocked_caller_waits_no_longer_than_it_said(sandbox, monkeypatch):
    """A thread's patience ends with an error that says so; the refresh goes on for the next."""
    monkeypatch.setattr("krauth._engine.run.EXTRA_WAIT", 0.0)
    sandbox.naver.token_delay = SLOW
    auth = naver(sandbox, "requests")
    run = auth._source.start(auth._transport)
    with pytest.raises(TokenTransportError, match="the refresh goes on"):
        run.get(RefreshPolicy(timeout=0.05))
    assert auth.token().access_token
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("stack", ["httpx", "trio"])
def test_an_awaiting_caller_waits_no_longer_than_it_said(sandbox, monkeypatch, stack):
    """The same for tasks, under asyncio and trio."""
    monkeypatch.setattr("krauth._engine.run.EXTRA_WAIT", 0.0)
    sandbox.naver.token_delay = SLOW
    auth = naver(sandbox, "httpx")

    async def main():
        run = auth._source.start(auth._transport)
        with pytest.raises(TokenTransportError, match="the refresh goes on"):
            await run.aget(RefreshPolicy(timeout=0.05))
        return await auth.atoken()

    assert (trio.run(main) if stack == "trio" else asyncio.run(main())).access_token
    assert sandbox.naver.token_requests == 1


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_a_keyboard_interrupt_reaches_the_user_at_once_and_the_token_comes_all_the_same(sandbox):
    """Ctrl-C while waiting raises KeyboardInterrupt there and then; the refresh ends for the next call."""
    sandbox.naver.token_delay = 3.0
    auth = naver(sandbox, "requests")

    def interrupt():
        until(lambda: sandbox.naver.token_requests, "the token request")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    begun = time.monotonic()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        auth.token()
    assert time.monotonic() - begun < 2.5
    thread.join()
    assert auth.token().access_token
    assert sandbox.naver.token_requests == 1


# ---- fork ----------------------------------------------------------------------------------------------------------


def in_a_child(function):
    """Fork, run `function` in the child, and return what it returns; a child that hangs is killed and fails."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            faulthandler.dump_traceback_later(15, file=sys.__stderr__)  # says where, should it hang
            signal.alarm(20)
            os.write(writing, json.dumps(function()).encode())
            status = 0
        except BaseException as error:
            os.write(writing, json.dumps(f"{type(error).__name__}: {error}").encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, text or f"the child hung (status {status})"
    return json.loads(text)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("stack", ["requests", "httpx", "httpx2", "aiohttp"])
def test_a_child_forked_under_a_refresh_works_and_so_does_the_parent(sandbox, stack):
    """The child does not wait for a refresh that stayed in the parent: each obtains its own, neither hangs."""
    sandbox.naver.token_delay = SLOW
    auth = naver(sandbox, stack)
    run = auth._source.start(auth._transport)
    until(lambda: sandbox.naver.token_requests, "the token request")
    assert not run.future.done()

    def child():
        return auth.token().expires_at > 0

    assert in_a_child(child) is True
    assert auth.token().access_token
    assert sandbox.naver.token_requests == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_inherits_a_good_token_and_its_engine_works(sandbox):
    """A fresh token needs no request in the child; a refused one is refreshed there by threads of its own."""
    auth = naver(sandbox, "requests")
    token = auth.token().access_token

    def child():
        same = auth.token().access_token == token
        sandbox_says = requests.get(sandbox.naver_url + "/v1/seller/account", auth=auth, timeout=10).status_code
        return [same, sandbox_says, sorted(t.name for t in threading.enumerate() if t.name.startswith("krauth"))]

    assert in_a_child(child) == [True, 200, []]
    sandbox.naver.revoke_all()
    assert (
        in_a_child(lambda: requests.get(sandbox.naver_url + "/v1/seller/account", auth=auth, timeout=10).status_code)
        == 200
    )
    assert sandbox.naver.token_requests == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_knows_nothing_of_what_the_parents_threads_were_at():
    """The system gives the ids of the parent's threads out again: a new thread of the child begins unmarked."""
    from krauth._engine import process

    forked = threading.Event()

    def work():
        with process.busy():
            forked.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: process._busy, "the thread")
    try:
        assert in_a_child(lambda: list(process._busy)) == []
    finally:
        forked.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_locks_that_a_parents_thread_holds_do_not_stop_a_child(sandbox):
    """Whatever lock of the engine some thread holds at the moment of the fork: the child obtains a token."""
    import krauth._plugins as plugins
    from krauth._engine import process

    store = MemoryStore()
    auth = naver(sandbox, "requests", store=store)
    workers = process.workers
    held, done = threading.Event(), threading.Event()

    def hold():
        with process.lock, store._lock, workers._wakeup, workers._timer_wakeup, plugins._lock:
            held.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE)
    try:
        assert in_a_child(lambda: bool(auth.token().access_token)) is True
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_many_forks_under_load_all_work(sandbox, caplog):
    """Ten children forked at any moment of a busy parent: each makes its call, none hangs.

    The logger is silent: pytest adds a handler that writes to a file, whose buffer has a lock that CPython does not
    free in a child. A child that is forked while another thread writes to that file hangs in its own first line.
    """
    caplog.set_level("CRITICAL", "krauth")
    auth = naver(sandbox, "requests")
    stop = threading.Event()

    def load():
        while not stop.is_set():
            sandbox.naver.revoke_all()
            auth._source.start(auth._transport, refused=auth.token().access_token)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert in_a_child(lambda: bool(auth.token().access_token)) is True
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# ---- the end of the process ------------------------------------------------------------------------------------------

#: Seconds in which a process ends that waits for nothing; the refreshes below would hold it for ten and more.
PROMPT = 5.0

HANGS = """
    import socket, threading, time
    import krauth
    listener = socket.create_server(("127.0.0.1", 0))
    arrived = threading.Event()
    def accept():  # and never answer
        global kept
        kept = listener.accept()
        arrived.set()
    threading.Thread(target=accept, daemon=True).start()
    base_url = "http://127.0.0.1:%d" % listener.getsockname()[1]
"""


def script(text, **values):
    """Run a script in a process of its own; return seconds from its last line to its end, and its output."""
    source = textwrap.dedent(HANGS) + textwrap.dedent(text % values) + "\nprint(time.time(), flush=True)\n"
    process = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    ended = time.time()
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return ended - float(process.stdout.split()[-1])


def test_an_exit_handler_may_still_make_its_first_call(sandbox):
    """A handler that was registered after an adapter was imported gets a token: krauth stops after such handlers."""
    source = textwrap.dedent(
        f"""
        import atexit, requests, krauth_requests
        auth = None
        def flush():
            print(auth.token().token_type)
        atexit.register(flush)
        auth = krauth_requests.NaverAuth({sandbox.naver_client_id!r}, {sandbox.naver_client_secret!r},
            base_url={sandbox.naver_url!r})
        from krauth._engine import process as _process
        stopped = _process.at_exit
        _process.at_exit = lambda: (print("stopped"), stopped())
        """
    )
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if sys.version_info < (3, 12):  # later ones start no thread any more once they end
        assert ended.stdout.split() == ["Bearer", "stopped"], ended.stderr
    else:
        assert ended.stdout.split()[-1:] == ["stopped"], ended.stderr


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.04])
def test_a_process_may_end_while_a_token_request_is_being_signed(seconds):
    """Signing is no C: ended in the middle of it by the interpreter, the whole process would abort (SIGABRT)."""
    source = textwrap.dedent(
        f"""
        import threading, krauth_requests
        secret = "$2a$10$abcdefghijklmnopqrstuv"
        auth = krauth_requests.NaverAuth("id", secret, base_url="http://127.0.0.1:1/external")
        auth._source.start(auth._transport)
        threading.Event().wait({seconds})
        """
    )
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", source], capture_output=True, timeout=PATIENCE, check=False)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("stack", sorted(ADAPTERS))
def test_a_process_exits_at_once_though_a_refresh_hangs(stack):
    """The end of the program does not wait for a token endpoint that never answers, and says nothing about it."""
    text = """
        import krauth_%(stack)s
        auth = krauth_%(stack)s.MelomingOAuth("client", "secret", base_url=base_url)
        auth._source.start(auth._transport)
        assert arrived.wait(10)
    """
    assert script(text, stack=stack) < PROMPT


@pytest.mark.parametrize("stack", ["httpx", "aiohttp"])
def test_an_event_loop_ends_at_once_though_a_refresh_hangs(stack):
    """`asyncio.run` does not wait for a refresh whose caller is gone."""
    text = """
        import asyncio
        import krauth_%(stack)s
        auth = krauth_%(stack)s.MelomingOAuth("client", "secret", base_url=base_url)
        async def main():
            try:
                await asyncio.wait_for(auth.atoken(), 0.2)
            except TimeoutError:
                pass
        asyncio.run(main())
        assert arrived.wait(10)
    """
    assert script(text, stack=stack) < PROMPT


@pytest.mark.parametrize("stack", sorted(ADAPTERS))
def test_a_process_exits_at_once_though_the_resolver_hangs(stack):
    """A dead name server is no reason to stay, in none of the stacks."""
    text = """
        entered = threading.Event()
        def hang(*args, **kwargs):
            entered.set()
            time.sleep(30)
        socket.getaddrinfo = hang
        import krauth_%(stack)s
        auth = krauth_%(stack)s.MelomingOAuth("client", "secret", base_url="https://auth.example")
        auth._source.start(auth._transport)
        assert entered.wait(10)
    """
    assert script(text, stack=stack) < PROMPT


def test_a_process_exits_at_once_while_the_engine_sleeps_between_attempts():
    """Neither a backoff nor a timer that keeps a token warm holds the process."""
    text = """
        import krauth_requests
        def refuse(request):
            arrived.set()
            raise krauth.TokenTransportError("no route to host")
        import logging; logging.disable()
        policy = krauth.RefreshPolicy(keep_warm=True, attempts=100, timeout=1000)
        auth = krauth_requests.MelomingOAuth("client", "secret", refresh=policy, token_transport=refuse)
        auth._source.start(auth._transport)
        assert arrived.wait(10)
    """
    assert script(text) < PROMPT


def test_the_engines_threads_are_daemons_and_few(sandbox):
    """Two hundred keys of one endpoint are refreshed by at most 64 daemon threads."""
    sandbox.naver.token_delay = 0.1
    first = naver(sandbox, "requests")
    auths = [first.for_account(f"seller-{number}") for number in range(200)]
    before = {thread for thread in threading.enumerate() if thread.name == "krauth-worker"}
    runs = [auth._source.start(auth._transport) for auth in auths]
    threads = [thread for thread in threading.enumerate() if thread.name == "krauth-worker"]
    assert 1 <= len(threads) <= 64 + len(before)
    assert all(thread.daemon for thread in threads)
    for run in runs:
        run.future.result(PATIENCE)
    assert sandbox.naver.token_requests == 200
