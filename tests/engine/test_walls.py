"""Walls: what hangs, fails or raises anything harms only those who use it, and a counter is always put back."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time

import pytest

import krauth_requests
from krauth import HTTPResponse, KrauthError, MemoryStore, RefreshPolicy, TokenTransportError, testing
from krauth._engine.workers import NoThread, Workers

GOOD = HTTPResponse(200, {}, b'{"access_token": "good", "token_type": "Bearer", "expires_in": 3600}')
PATIENCE = 30


@pytest.fixture(autouse=True)
def fresh():
    with testing.reset():
        yield


def make(name, transport, **settings):
    settings = {"store": MemoryStore()} | settings
    return krauth_requests.OAuth2Auth(
        "client",
        "s3cret-of-it",
        scope=name,
        token_endpoint=settings.pop("token_endpoint", "https://auth.example/token"),
        api_origins="https://api.example",
        token_transport=transport,
        **settings,
    )


@pytest.fixture
def go():
    """Lets all go that hang."""
    event = threading.Event()
    yield event
    event.set()


def first_token(name):
    begun = time.perf_counter()
    make(name, lambda request: GOOD, token_endpoint="https://healthy.example/token").token()
    return time.perf_counter() - begun


@pytest.mark.parametrize("where", ["endpoint", "store", "callables"])
def test_a_healthy_provider_is_as_fast_beside_two_hundred_stuck_ones(go, where):
    """The first token takes the same time, whatever hangs next door, and threads stay bounded."""
    first_token("warm-up")
    alone = min(first_token(f"alone-{n}") for n in range(5))

    def hang(request):
        go.wait(PATIENCE)
        return GOOD

    class Hung(MemoryStore):
        blocking = True

        def load(self, key):
            go.wait(PATIENCE)
            return super().load(key)

    hung = Hung()
    stuck = []
    for n in range(200):
        if where == "store":
            auth = make(f"stuck-{n}", lambda request: GOOD, store=hung)
        elif where == "callables":
            auth = make(f"stuck-{n}", lambda request: hang(request))
        else:
            auth = make(f"stuck-{n}", hang)
        stuck.append(auth)
        auth._source.start(auth._transport)
    beside = min(first_token(f"beside-{n}") for n in range(5))
    threads = [thread for thread in threading.enumerate() if thread.name == "krauth-worker"]
    assert len(threads) <= 256 + 8
    assert beside <= max(1.5 * alone, alone + 0.02)


@pytest.mark.slow
def test_four_thousand_cold_sellers_of_a_slow_endpoint_are_served(monkeypatch):
    """Waiting for a worker thread is not waiting for the network: no caller fails."""

    def slow(request):
        time.sleep(0.03)  # a tenth of a real endpoint, and so is the timeout
        return GOOD

    policy = RefreshPolicy(timeout=3.0, attempt_timeout=3.0)
    store = MemoryStore()
    auths = [make(f"seller-{n}", slow, store=store, refresh=policy) for n in range(4000)]
    runs = [auth._source.start(auth._transport) for auth in auths]
    outcomes = [run.wait(policy) for run in runs]
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]


def test_a_silent_issuer_holds_up_its_own_discovery_alone(monkeypatch):
    """However many callers wait for the metadata of one server, those of another server are fetched at once."""
    go = threading.Event()

    def send(request):
        if "silent" in request.url:
            go.wait(PATIENCE)
        return HTTPResponse(
            200, {}, b'{"issuer": "https://login.example", "token_endpoint": "https://login.example/t"}'
        )

    def discover(issuer):
        auth = krauth_requests.OAuth2Auth
        return auth._fetch_metadata(issuer, {"token_transport": send, "client_secret": "s"}, blocking=True)

    monkeypatch.setattr("krauth._engine.process.workers", Workers())
    waiting = [discover("https://silent.example") for _ in range(70)]
    assert discover("https://login.example").get(RefreshPolicy(timeout=5))["issuer"] == "https://login.example"
    go.set()
    assert all(run.future.result(PATIENCE) for run in waiting)


def test_the_queue_has_a_limit_and_a_name(go):
    """A caller that got no worker thread in time is told so, and how to change it."""
    policy = RefreshPolicy(timeout=0.2, queue_timeout=0.3)

    def hang(request):
        go.wait(PATIENCE)
        return GOOD

    store = MemoryStore()
    auths = [make(f"stuck-{n}", hang, refresh=policy, store=store) for n in range(70)]
    runs = [auth._source.start(auth._transport) for auth in auths]
    outcome = runs[-1].wait(policy)
    assert isinstance(outcome, TokenTransportError)
    assert "queue_timeout" in str(outcome)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_a_task_that_raises_anything_leaves_its_slot(error):
    """After a hundred of them a task still runs."""
    workers, ran = Workers(limit=2, lane_limit=2), threading.Event()

    def broken():
        raise error

    for _ in range(100):
        workers.submit(broken, "lane")
    workers.submit(ran.set, "lane")
    assert ran.wait(PATIENCE)


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, OSError])
def test_a_thread_that_cannot_be_started_leaves_its_slot(monkeypatch, error):
    """After forty failures the next task runs all the same."""
    workers, ran = Workers(limit=2), threading.Event()
    with monkeypatch.context() as patch:

        def start(thread):
            raise error

        patch.setattr(threading.Thread, "start", start)
        for _ in range(40):
            with pytest.raises(NoThread):
                workers.submit(ran.set)
    workers.submit(ran.set)
    assert ran.wait(PATIENCE)


def test_no_thread_to_be_had_is_said_on_an_event_loop(monkeypatch):
    """The caller is told about the limit of threads at once, and the loop is not blocked."""
    import krauth_httpx

    auth = krauth_httpx.MelomingOAuth(
        "client", "s3cret-of-it", token_transport=lambda request: GOOD, store=MemoryStore()
    )

    def start(thread):
        raise RuntimeError("can't start new thread")

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr("krauth._engine.process.workers", Workers())
            patch.setattr(threading.Thread, "start", start)
            begun = time.monotonic()
            with pytest.raises(TokenTransportError, match="limit of threads"):
                await auth.atoken()
            with pytest.raises(TokenTransportError, match="limit of threads"):
                await krauth_httpx.OAuth2Auth.adiscover("https://login.example", "client", "s3cret-of-it")
            return time.monotonic() - begun

    assert asyncio.run(main()) < 2


def test_no_thread_to_be_had_is_no_matter_to_a_refusal(monkeypatch):
    """Observers are left out where no thread can be had; the answer of the API is handed back all the same."""
    import krauth_requests
    from krauth.provider import Rule

    class Key(krauth_requests.MelomingAPIKey):
        errors = {(401, "INVALID_API_KEY"): Rule("make another key")}  # noqa: RUF012  as providers write it

    def start(thread):
        raise RuntimeError("can't start new thread")

    auth = Key("mlm_test_0123456789", base_url="https://api.example")
    monkeypatch.setattr("krauth._engine.process.tellers", Workers())
    monkeypatch.setattr(threading.Thread, "start", start)
    body = '{"code": "INVALID_API_KEY"}'
    call = ("GET", "https://api.example/v1")
    assert auth.refused(*call, 401, {}, body, auth.headers(*call)) is None


ORDER = contextvars.ContextVar("order", default="of no request")


def test_a_token_request_lands_in_the_context_of_the_call_that_began_it():
    """Traces, baggage and request ids follow the call, also for the second order on the same worker thread."""
    seen = []

    def send(request):
        seen.append(ORDER.get())
        return GOOD

    for order in ("order 1", "order 2", "order 3"):
        context = contextvars.copy_context()
        context.run(ORDER.set, order)
        context.run(make(order.replace(" ", "-"), send).token)
    assert seen == ["order 1", "order 2", "order 3"]


def interrupted_at(number, call, handler):
    """Call, run the handler in the thread of the call before its line with this number, and return whether it has one."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if event == "line":
            count += 1
            if count == number:
                handler()
        return trace

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: trace if "/krauth/_engine/" in frame.f_code.co_filename else None)
    try:
        call()
    finally:
        sys.settrace(before)
    return count >= number


@pytest.mark.parametrize("call", ["token", "forget"])
def test_a_signal_handler_may_want_a_token_at_any_moment(call):
    """Wherever a handler, or a `__del__`, interrupts a call, it waits for no lock that this very thread holds."""
    number, goes_on = 0, True
    while goes_on:
        number += 1
        auth = make("client", lambda request: GOOD, refresh=RefreshPolicy(timeout=3, queue_timeout=3))
        begun = time.monotonic()
        goes_on = interrupted_at(number, getattr(auth, call), auth.token)
        assert time.monotonic() - begun < 3, f"line {number}"
    assert number > 50


def test_the_exit_does_not_wait_for_a_users_function():
    """A function that reads the client secret again may hang: it is no signature that must not be cut off."""
    from krauth._engine import process

    computing = []

    def secret():
        computing.append(process.workers._computing)
        return "s3cret-of-it"

    refusal = HTTPResponse(401, {}, b'{"error": "invalid_client"}')
    auth = krauth_requests.OAuth2Auth(
        "client",
        secret,
        token_endpoint="https://auth.example/token",
        api_origins="https://api.example",
        store=MemoryStore(),
        token_transport=lambda request: refusal,
    )
    with pytest.raises(KrauthError):
        auth.token()
    assert computing == [0, 0]


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
@pytest.mark.parametrize("lifetimes", [[0.03, 3600], [0.03, 0.03, 0.03]], ids=["a freeze", "always"])
def test_a_token_that_is_over_when_it_comes(lifetimes, is_async):
    """After a freeze one more token is asked for. Where tokens live for less than a request takes, one is used once."""
    issued = []

    def send(request):
        time.sleep(0.05 if lifetimes[len(issued)] < 1 else 0)
        issued.append(b'{"access_token": "token-%d", "expires_in": %f}' % (len(issued), lifetimes[len(issued)]))
        return HTTPResponse(200, {}, issued[-1])

    auth = make("client", send)
    token = asyncio.run(auth.atoken()) if is_async else auth.token()
    assert (token.access_token, len(issued)) == ("token-1", 2)


def test_an_outcome_counts_once():
    """A run that was interrupted and ends all the same wakes its callers once, without an error in the log."""
    from krauth._engine.run import Run

    run = Run("way")
    run.finish(TokenTransportError("interrupted"))
    run.finish("late")
    assert isinstance(run.future.result(0), TokenTransportError)


def test_a_fact_about_one_callers_way_is_no_fact_about_the_token():
    """A transport that fails harms its caller alone: an equal auth object with another one gets the token at once."""
    store = MemoryStore()

    def broken(request):
        raise OSError("no route to host")

    bad = make("client", broken, store=store, refresh=RefreshPolicy(attempts=1))
    good = make("client", lambda request: GOOD, store=store, refresh=RefreshPolicy(attempts=1))
    with pytest.raises(KrauthError):
        bad.token()
    store._entries.clear()  # the pause that other processes would find
    assert good.token().access_token == "good"


def test_two_policies_do_not_change_each_other():
    """Auth objects with equal credentials and other policies share the token, and each keeps its timeouts."""
    store = MemoryStore()
    patient = make("client", lambda request: GOOD, store=store, refresh=RefreshPolicy(timeout=30))
    hasty = make("client", lambda request: pytest.fail("it is there"), store=store, refresh=RefreshPolicy(timeout=1))
    assert patient.token().access_token == hasty.token().access_token == "good"
    assert (patient._source.policy.timeout, hasty._source.policy.timeout) == (30, 1)


def test_a_late_wish_for_a_token_does_not_hold_up_the_exit():
    """After the exit handlers nothing begins any more, and a timer is refused instead of waited for."""
    workers = Workers()
    workers.drain()
    begun = time.monotonic()
    with pytest.raises(NoThread):
        workers.submit(lambda: None)
    with pytest.raises(NoThread):
        workers.after(5.0, lambda: None)
    assert time.monotonic() - begun < 1


def test_the_exit_waits_for_code_that_must_not_be_cut_off():
    """A signature under way is waited for, however long it takes on a loaded machine."""
    workers, entered, go, drained = Workers(), threading.Event(), threading.Event(), threading.Event()

    def sign():
        with workers.computing():
            entered.set()
            go.wait(PATIENCE)

    workers.submit(sign)
    assert entered.wait(PATIENCE)
    thread = threading.Thread(target=lambda: (workers.drain(), drained.set()))
    thread.start()
    assert not drained.wait(0.3)
    go.set()
    assert drained.wait(PATIENCE)
