"""Observers for OpenTelemetry and Prometheus: `krauth.register_plugin(krauth.observe.OpenTelemetry())`.

Neither library is imported before an observer is made. No observer passes on a key, a user, an error text or a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._values.exceptions import ConfigurationError
from .hookspecs import hookimpl

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from ._values.event import Kind, TokenEvent

__all__ = ["OpenTelemetry", "Prometheus"]

#: How a token request ends. Other events carry the duration of the last one as well; it counts once.
_ENDS: frozenset[Kind] = frozenset(
    {"obtained", "refreshed", "reused", "adopted", "authorized", "attempt_failed", "refresh_failed"}
)
#: Seconds. A token request takes some 50 ms; `RefreshPolicy` ends one after 10 s by default.
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def _request_seconds(event: TokenEvent) -> float | None:
    """Return how long the token request took that this event tells of, or `None`."""
    return event.duration if event.kind in _ENDS else None


class OpenTelemetry:
    """Makes a span of each token request, under the call that caused it, and counts and times events.

    The span `krauth.token_request` has the attributes `krauth.provider`, `krauth.event`, `krauth.cause`,
    `krauth.attempt`, `http.response.status_code` and `error.type`. The metrics are the counter `krauth.token.events`
    and the histogram `krauth.token.request.duration` (seconds).

    Args:
        tracer_provider: Where spans go; `None`: the global one.
        meter_provider: Where metrics go; `None`: the global one.

    Raises:
        ConfigurationError: The package `opentelemetry-api` is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise _missing("OpenTelemetry", "opentelemetry") from error
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._tracer = trace.get_tracer("krauth", tracer_provider=tracer_provider)
        meter = metrics.get_meter("krauth", meter_provider=meter_provider)
        self._events = meter.create_counter("krauth.token.events", "{event}", "What happened to tokens")
        self._durations = meter.create_histogram(
            "krauth.token.request.duration",
            "s",
            "How long token requests took",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )

    @hookimpl
    def krauth_token_event(self, event: TokenEvent) -> None:
        """Count an event; where it tells of a token request, time it and make its span."""
        attributes: dict[str, str | int] = {"krauth.provider": event.provider, "krauth.event": event.kind}
        self._events.add(1, attributes)
        seconds = _request_seconds(event)
        if seconds is None:
            return
        details = {
            "krauth.cause": event.cause,
            "http.response.status_code": event.status,
            "error.type": None if event.error is None else type(event.error).__name__,
        }
        attributes.update({name: value for name, value in details.items() if value is not None})
        self._durations.record(seconds, attributes)
        # Observers are told in a copy of the caller's context: the span that is current there is the parent.
        span = self._tracer.start_span(
            "krauth.token_request",
            attributes={**attributes, "krauth.attempt": event.attempt or 1},
            start_time=int((event.at - seconds) * 1e9),
        )
        if event.kind.endswith("_failed"):
            span.set_status(self._failed)
        span.end(int(event.at * 1e9))


class Prometheus:
    """Counts events as `krauth_token_events_total`, and times token requests as `krauth_token_request_seconds`.

    Both have the labels `provider` and `kind`, the second `cause` as well.

    Args:
        registry: Where the metrics are registered; `None`: the default registry.

    Raises:
        ConfigurationError: The package `prometheus-client` is not installed, or the registry has these metrics already.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Histogram
        except ImportError as error:
            raise _missing("Prometheus", "prometheus") from error
        registry = registry or REGISTRY
        try:
            self._events = Counter(
                "krauth_token_events", "What happened to tokens", ["provider", "kind"], registry=registry
            )
            self._durations = Histogram(
                "krauth_token_request_seconds",
                "How long token requests took",
                ["provider", "kind", "cause"],
                registry=registry,
                buckets=_BUCKETS,
            )
        except ValueError:
            raise ConfigurationError(
                "this Prometheus registry has krauth's metrics already; make one krauth.observe.Prometheus for each"
            ) from None

    @hookimpl
    def krauth_token_event(self, event: TokenEvent) -> None:
        """Count an event; where it tells of a token request, time it."""
        self._events.labels(event.provider, event.kind).inc()
        seconds = _request_seconds(event)
        if seconds is not None:
            self._durations.labels(event.provider, event.kind, event.cause or "").observe(seconds)


def _missing(name: str, extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"krauth.observe.{name} needs a package that is not installed: pip install krauth[{extra}]"
    )
