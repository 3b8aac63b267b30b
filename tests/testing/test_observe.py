"""`krauth.observe` with the real SDKs: spans under the call that caused them, counts, durations, and no secret."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest
import requests

import krauth
import krauth_httpx
import krauth_requests
from krauth import ConfigurationError, HTTPResponse, TokenEvent, _plugins, observe
from krauth._engine import process

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("prometheus_client")


@pytest.fixture(autouse=True)
def fresh(krauth_reset):
    """Each test begins with nothing known."""


@pytest.fixture
def register():
    """Register an observer for the test alone."""
    made = []

    def register(observer):
        krauth.register_plugin(observer)
        made.append(observer)
        return observer

    yield register
    for observer in made:
        _plugins.plugins().manager.unregister(observer)


def told():
    """Wait until the observers have been told all."""
    end = time.monotonic() + 20
    while process.tellers._lanes:
        assert time.monotonic() < end
        time.sleep(0.002)


class Traces:
    """What an OpenTelemetry observer told to the SDK."""

    def __init__(self):
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.tracer = self.tracers.get_tracer("test")

    @property
    def spans(self):
        told()
        return [span for span in self.exporter.get_finished_spans() if span.name == "krauth.token_request"]

    @property
    def metrics(self):
        told()
        scope = self.reader.get_metrics_data().resource_metrics[0].scope_metrics[0]
        return {metric.name: metric for metric in scope.metrics}


@pytest.fixture
def traces(register):
    traces = Traces()
    register(observe.OpenTelemetry(traces.tracers, traces.meters))
    yield traces
    traces.tracers.shutdown()
    traces.meters.shutdown()


def make(sandbox, library=krauth_requests):
    return library.NaverAuth(sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url)


def call_blocking(sandbox):
    requests.get(f"{sandbox.naver_url}/v1/echo", auth=make(sandbox), timeout=10).raise_for_status()


def call_async(sandbox):
    import httpx

    async def main():
        async with httpx.AsyncClient(auth=make(sandbox, krauth_httpx)) as client:
            (await client.get(f"{sandbox.naver_url}/v1/echo")).raise_for_status()

    asyncio.run(main())


@pytest.mark.parametrize("call", [call_blocking, call_async])
def test_a_token_request_is_a_span_under_the_call_that_caused_it(call, sandbox, traces):
    """Parent, times and attributes are right, for the first token and for the one after a refusal."""
    before = time.time()
    for _ in range(2):
        with traces.tracer.start_as_current_span("call") as parent:
            call(sandbox)
        found = traces.spans[-1]
        assert found.parent.span_id == parent.get_span_context().span_id
        sandbox.revoke_all()
    first, second = traces.spans
    assert (first.attributes["krauth.event"], second.attributes["krauth.event"]) == ("obtained", "refreshed")
    assert second.attributes["krauth.cause"] == "refusal"
    assert first.attributes["krauth.provider"] == "naver"
    assert first.attributes["http.response.status_code"] == 200
    assert before * 1e9 - 1e6 <= first.start_time < first.end_time <= time.time() * 1e9


def test_a_failed_token_request_is_a_failed_span(sandbox, traces):
    """Its status is an error, with the type of the exception and the HTTP status; the parent is the call."""
    auth = krauth_requests.MelomingOAuth(sandbox.meloming_client_id, "not-the-secret", base_url=sandbox.meloming_url)
    with traces.tracer.start_as_current_span("call") as parent, pytest.raises(krauth.InvalidClientError):
        auth.token()
    end = time.monotonic() + 20
    while not traces.spans:  # the caller has its answer before the observers are told
        assert time.monotonic() < end
        time.sleep(0.002)
    (span,) = traces.spans
    assert span.parent.span_id == parent.get_span_context().span_id
    assert not span.status.is_ok
    assert span.attributes["error.type"] == "InvalidClientError"
    assert span.attributes["http.response.status_code"] in (400, 401)
    assert "not-the-secret" not in span.to_json()


def test_each_attempt_is_a_span_under_the_call(sandbox, traces):
    """A token request that is answered 503 and the one after it are two spans; the first is a failed one."""
    sandbox.naver.fail_token(503, times=1)
    with traces.tracer.start_as_current_span("call") as parent:
        call_blocking(sandbox)
    failed, obtained = traces.spans
    assert {span.parent.span_id for span in (failed, obtained)} == {parent.get_span_context().span_id}
    assert [span.attributes["krauth.attempt"] for span in (failed, obtained)] == [1, 2]
    assert [span.attributes["http.response.status_code"] for span in (failed, obtained)] == [503, 200]
    assert not failed.status.is_ok
    assert failed.end_time <= obtained.start_time


def test_spans_and_metrics_hold_no_secret_and_no_client(sandbox, traces):
    """Neither the secret, nor a token, nor the client_id, nor an address is exported."""
    call_blocking(sandbox)
    exported = traces.spans[0].to_json() + str(traces.metrics)
    for hidden in (
        *(sandbox.naver_client_secret, sandbox.naver_client_id[:6], make(sandbox).token().access_token),
        sandbox.naver_url,
    ):
        assert hidden not in exported


def test_counts_and_durations(sandbox, traces):
    """Each event counts once, and each token request is timed once, in seconds."""
    call_blocking(sandbox)
    sandbox.revoke_all()
    call_blocking(sandbox)
    counts = {
        point.attributes["krauth.event"]: point.value
        for point in traces.metrics["krauth.token.events"].data.data_points
    }
    assert counts == {"obtained": 1, "refused": 1, "refreshed": 1}
    durations = traces.metrics["krauth.token.request.duration"]
    assert durations.unit == "s"
    assert [point.count for point in durations.data.data_points] == [1, 1]
    assert all(0 < point.sum < 10 for point in durations.data.data_points)


def event(kind, **fields):
    return TokenEvent(kind, "naver", "naver|https://api.example|client_id=c", time.time(), **fields)


@pytest.mark.parametrize("kind", ["narrowed", "store_failed", "conflict", "lease_lost", "revoked", "unsaved"])
def test_what_happens_along_the_way_is_no_second_span(kind, traces):
    """An event that carries the request's duration but does not end the refresh is counted only."""
    observe.OpenTelemetry(traces.tracers, traces.meters).krauth_token_event(event(kind, duration=0.1, attempt=1))
    assert traces.spans == []


def test_a_failure_that_sent_nothing_is_no_span(traces):
    """No token request, no span; the event is counted."""
    observer = observe.OpenTelemetry(traces.tracers, traces.meters)
    observer.krauth_token_event(event("refresh_failed", error=krauth.TokenTransportError("no")))
    assert traces.spans == []
    assert traces.metrics["krauth.token.events"].data.data_points[0].value == 1


def test_prometheus(sandbox, register):
    """The registry holds counts and durations by provider, kind and cause, and no key."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    register(observe.Prometheus(registry))
    call_blocking(sandbox)
    sandbox.revoke_all()
    call_blocking(sandbox)
    told()
    for kind in ("obtained", "refused", "refreshed"):
        assert registry.get_sample_value("krauth_token_events_total", {"provider": "naver", "kind": kind}) == 1
    labels = {"provider": "naver", "kind": "refreshed", "cause": "refusal"}
    assert registry.get_sample_value("krauth_token_request_seconds_count", labels) == 1
    assert 0 < registry.get_sample_value("krauth_token_request_seconds_sum", labels) < 10
    assert sandbox.naver_client_id[:6] not in generate_latest(registry).decode()
    with pytest.raises(ConfigurationError, match="already"):
        observe.Prometheus(registry)


def test_a_token_from_a_failing_observer_is_still_a_token(register):
    """An exporter that raises costs no caller a token."""
    from prometheus_client import CollectorRegistry

    observer = observe.Prometheus(CollectorRegistry())
    observer._events = None
    register(observer)
    body = b'{"access_token": "t0ken", "expires_in": 10800, "token_type": "Bearer"}'
    auth = krauth_requests.NaverAuth(
        "client", "$2a$04$abcdefghijklmnopqrstuu", token_transport=lambda request: HTTPResponse(200, {}, body)
    )
    assert auth.token().access_token == "t0ken"
    told()


@pytest.mark.process
@pytest.mark.parametrize(("name", "package"), [("OpenTelemetry", "opentelemetry"), ("Prometheus", "prometheus_client")])
def test_a_library_that_is_missing_is_named(name, package):
    """Importing `krauth.observe` needs neither library; making an observer without its own says what to install."""
    code = f"""
import sys
sys.modules[{package!r}] = None
import krauth, krauth.observe
try:
    krauth.observe.{name}()
except krauth.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert "pip install krauth[" in done.stdout
