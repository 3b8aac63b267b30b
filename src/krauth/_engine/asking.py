"""A request to the authorization server as a step, and what its answer tells of the server's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .steps import Send

if TYPE_CHECKING:
    from .._oauth.credentials import Credentials
    from .._values.clock import Clock, Skews
    from .._values.messages import HTTPRequest, HTTPResponse
    from .steps import Flow


def ask(credentials: Credentials, clock: Clock, skew: Skews, request: HTTPRequest) -> Flow[HTTPResponse]:
    """Send a request; learn from the `Date` of the answer how far the server's clock is from ours."""
    sent_at, started = clock.time(), clock.monotonic()
    response: HTTPResponse = yield Send(request)
    now = clock.monotonic()
    skew.measure(credentials.token_endpoint, response.header("date"), sent_at, sent_at + now - started, now)
    return response


def server_time(credentials: Credentials, clock: Clock, skew: Skews) -> float:
    """Return seconds since the epoch by the server's clock, as far as it is known: for times in a request."""
    return clock.time() + skew.ahead(credentials.token_endpoint, clock.monotonic())
